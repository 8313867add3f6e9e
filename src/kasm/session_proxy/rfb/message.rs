//! The messages of the server. Those of no use here are skipped by their length: a viewer who joins, a copied
//! text or a request for statistics is sent unasked.

use super::RfbError;
use super::screen::{ScreenArea, ScreenPixels};
use super::stream::RfbStream;
use super::zrle::ZrleDecoder;

/// Clipboards beyond this are passed over.
const CLIPBOARD_BYTES_MAX: u32 = 4 << 20;
/// A rectangle of ZRLE that is larger than this many times its pixels is no picture.
const PACKED_FACTOR_MAX: usize = 5;

const RAW: i32 = 0;
const ZRLE: i32 = 16;
/// Only ever the watermark here, which KasmVNC sends unasked.
const TIGHT: i32 = 7;
/// The first byte of a watermark: a Tight rectangle of a kind that no picture has.
const WATERMARK: u8 = 0xd0;
/// The desktop has another size from now on. KasmVNC closes on clients that do not take this.
const DESKTOP_SIZE: i32 = -223;
/// Which locks of the keyboard are on, one byte. A client that does not take this is assumed to have locks of its
/// own, and KasmVNC switches those of the session by what it guesses of them.
pub(super) const LED_STATE: i32 = -261;
/// The end of an update whose number of rectangles was not known when it began, and that number.
const LAST_RECT: i32 = -224;
const UNKNOWN_COUNT: u16 = u16::MAX;
/// Rectangles of one update.
const RECTANGLES_MAX: usize = 65_535;
/// Stands for a rectangle that draws nothing.
const NO_PIXELS: ScreenArea = ScreenArea {
    x: 0,
    y: 0,
    width: 0,
    height: 0,
};

/// What a message brought.
pub(super) enum ServerEvent {
    /// These parts of the picture.
    Drawn(Vec<ScreenArea>),
    /// The desktop has another size; its picture has to be requested again.
    Resized,
    /// Something was copied on the desktop.
    Copied(CopiedText),
    /// Nothing that matters here.
    Other,
}

/// What is on the clipboard of the desktop, as the server reported it.
#[derive(Default)]
pub(super) struct CopiedText {
    /// Its text, if it has one that is not too long.
    pub text: Option<String>,
    /// The types of all that it has.
    pub kinds: Vec<String>,
}

/// The picture of the desktop and what it takes to draw it.
pub(super) struct ScreenCanvas {
    pub screen: ScreenPixels,
    /// The locks of the keyboard that are on, a bit each. None until the server reports them.
    pub lights: Option<u8>,
    inflater: ZrleDecoder,
}

impl ScreenCanvas {
    pub(super) fn new(screen: ScreenPixels) -> Self {
        Self {
            screen,
            lights: None,
            inflater: ZrleDecoder::new(),
        }
    }

    /// Reads one message to its end.
    pub(super) async fn read_message(
        &mut self,
        stream: &mut RfbStream,
    ) -> Result<ServerEvent, RfbError> {
        match stream.read_u8().await? {
            0 => return self.read_update(stream).await,
            180 => return read_clipboard(stream).await,
            // SetColourMapEntries.
            1 => {
                stream.skip_bytes(3).await?;
                let entries = stream.read_u16().await?;
                stream.skip_bytes(u32::from(entries) * 6).await?;
            }
            // Bell; EndOfContinuousUpdates; RequestFrameStats; ForceGameMode.
            2 | 150 | 179 | 187 => {}
            // ServerCutText; Stats, NetworkStats, SystemStats.
            3 | 178 | 190 | 191 => {
                stream.skip_bytes(3).await?;
                skip_counted(stream).await?;
            }
            // UpgradeToUdp.
            181 => {
                let length = stream.read_u16().await?;
                stream.skip_bytes(u32::from(length)).await?;
            }
            // SubscribeUnixRelay.
            182 => {
                stream.skip_bytes(1).await?;
                skip_short(stream).await?;
            }
            // UnixRelay.
            183 => {
                skip_short(stream).await?;
                skip_counted(stream).await?;
            }
            // VideoEncoders.
            184 => {
                for _ in 0..stream.read_u8().await? {
                    stream.skip_bytes(12).await?;
                    let more = stream.read_u8().await?;
                    stream.skip_bytes(u32::from(more) * 4).await?;
                }
            }
            // ServerDisconnect.
            186 => {
                stream.skip_bytes(4).await?;
                skip_counted(stream).await?;
            }
            // LatencyMeasurement.
            189 => stream.skip_bytes(7).await?,
            // Fence.
            248 => {
                stream.skip_bytes(7).await?;
                skip_short(stream).await?;
            }
            // UserAdded, UserRemoved.
            253 | 254 => skip_counted(stream).await?,
            // Messages do not carry their length, so behind an unknown one the next cannot be found.
            _ => return Err(RfbError::Protocol("an unknown message type")),
        }
        Ok(ServerEvent::Other)
    }

    /// FramebufferUpdate.
    async fn read_update(&mut self, stream: &mut RfbStream) -> Result<ServerEvent, RfbError> {
        stream.skip_bytes(1).await?;
        let (mut drawn, mut resized) = (Vec::new(), false);
        // A server that draws the screen over and over in one update wants to keep us busy.
        let mut pixels_left = self.screen.whole_area().pixel_count() * 4;
        let count = stream.read_u16().await?;
        while drawn.len() < usize::from(count) || count == UNKNOWN_COUNT {
            let area = ScreenArea {
                x: stream.read_u16().await?,
                y: stream.read_u16().await?,
                width: stream.read_u16().await?,
                height: stream.read_u16().await?,
            };
            let encoding = stream.read_i32().await?;
            // It is not counted. The rectangles below without pixels are, so they take a place in `drawn`.
            if encoding == LAST_RECT {
                break;
            }
            if drawn.len() >= RECTANGLES_MAX {
                return Err(RfbError::Protocol("a picture in too many parts"));
            }
            if encoding == DESKTOP_SIZE {
                self.screen = ScreenPixels::new(area.width, area.height)?;
                pixels_left = self.screen.whole_area().pixel_count() * 4;
                resized = true;
                drawn.push(NO_PIXELS);
                continue;
            }
            if encoding == TIGHT {
                pass_watermark(stream).await?;
                self.screen.note_watermark();
                drawn.push(NO_PIXELS);
                continue;
            }
            if encoding == LED_STATE {
                self.lights = Some(stream.read_u8().await?);
                drawn.push(NO_PIXELS);
                continue;
            }
            self.screen.check_area(area)?;
            pixels_left = pixels_left
                .checked_sub(area.pixel_count().max(1))
                .ok_or(RfbError::Protocol("a frame that is too long"))?;
            match encoding {
                RAW => self.read_raw(stream, area).await?,
                ZRLE => self.read_zrle(stream, area).await?,
                _ => return Err(RfbError::Protocol("an encoding that was not requested")),
            }
            drawn.push(area);
        }
        Ok(if resized {
            ServerEvent::Resized
        } else {
            ServerEvent::Drawn(drawn)
        })
    }

    async fn read_raw(&mut self, stream: &mut RfbStream, area: ScreenArea) -> Result<(), RfbError> {
        if area.pixel_count() == 0 {
            return Ok(());
        }
        for y in area.y..area.y + area.height {
            let bytes = stream.take_bytes(usize::from(area.width) * 4).await?;
            let row = self.screen.row_mut(area.x, y, area.width);
            for (pixel, bytes) in row.chunks_exact_mut(3).zip(bytes.chunks_exact(4)) {
                // Little-endian with red at bit 16: blue comes first, and the fourth byte is unused.
                pixel.copy_from_slice(&[bytes[2], bytes[1], bytes[0]]);
            }
        }
        Ok(())
    }

    async fn read_zrle(
        &mut self,
        stream: &mut RfbStream,
        area: ScreenArea,
    ) -> Result<(), RfbError> {
        let length = stream.read_u32().await? as usize;
        // Before the bytes are awaited: they are buffered, and the length is only a claim of the server.
        if length > area.pixel_count() * PACKED_FACTOR_MAX + 1_024 {
            return Err(RfbError::Protocol("a frame that is too long"));
        }
        let packed = stream.take_bytes(length).await?;
        self.inflater.draw_area(&packed, area, &mut self.screen)
    }
}

/// A rectangle of Tight that is a watermark: its mark, a length of one to three bytes of seven bits each,
/// the lowest first, and so many bytes.
async fn pass_watermark(stream: &mut RfbStream) -> Result<(), RfbError> {
    if stream.read_u8().await? != WATERMARK {
        return Err(RfbError::Protocol("an encoding that was not asked for"));
    }
    let mut length = 0;
    for place in 0..3 {
        let byte = u32::from(stream.read_u8().await?);
        // The third byte has all of its eight bits for the length.
        let bits = if place < 2 { byte & 0x7f } else { byte };
        length |= bits << (7 * place);
        if place < 2 && byte & 0x80 == 0 {
            break;
        }
    }
    stream.skip_bytes(length).await
}

/// BinaryClipboard: kinds of one content, each with an id, a type and its bytes.
async fn read_clipboard(stream: &mut RfbStream) -> Result<ServerEvent, RfbError> {
    let mut copied = CopiedText::default();
    for _ in 0..stream.read_u8().await? {
        stream.skip_bytes(4).await?;
        let kind = stream.read_u8().await?;
        let kind = stream.take_bytes(usize::from(kind)).await?;
        let length = stream.read_u32().await?;
        if &kind[..] != b"text/plain" || length > CLIPBOARD_BYTES_MAX {
            stream.skip_bytes(length).await?;
        } else {
            let text = stream.take_bytes(length as usize).await?;
            copied.text = Some(String::from_utf8_lossy(&text).into_owned());
        }
        copied
            .kinds
            .push(String::from_utf8_lossy(&kind).into_owned());
    }
    Ok(ServerEvent::Copied(copied))
}

/// Passes over bytes with their length in front, u32.
async fn skip_counted(stream: &mut RfbStream) -> Result<(), RfbError> {
    let length = stream.read_u32().await?;
    stream.skip_bytes(length).await
}

/// Passes over bytes with their length in front, u8.
async fn skip_short(stream: &mut RfbStream) -> Result<(), RfbError> {
    let length = stream.read_u8().await?;
    stream.skip_bytes(u32::from(length)).await
}
