//! What one client knows of the screen, and what it is to be sent.

use super::encode::{self, Zrle};
use super::frame::{Frame, Rect};
use super::pixel::PixelFormat;
use super::video::VideoGuess;

pub(super) const RAW: i32 = 0;
pub(super) const ZRLE: i32 = 16;
const TIGHT: i32 = 7;
const DESKTOP_SIZE: i32 = -223;
const LAST_RECT: i32 = -224;
const EXTENDED_DESKTOP_SIZE: i32 = -308;
/// The lights of the locks, one byte.
const LED_STATE: i32 = -261;
const FENCE: i32 = -312;
const CONTINUOUS_UPDATES: i32 = -313;

/// Rows of one rectangle.
const BAND: usize = 256;

/// A watermark: its mark, a length of two bytes, a colour, and packed data.
const WATERMARK: [u8; 9] = [0xd0, 0x86, 0x00, 0x80, 0x40, 0x20, 0x60, 1, 2];

/// There is something that a client cannot be told, so it has to go.
#[derive(Clone, Copy, Debug)]
pub(super) struct CannotBeTold;

/// One client's side of the screen.
#[derive(Debug)]
pub(super) struct Viewer {
    format: PixelFormat,
    encodings: Vec<i32>,
    pub(super) zrle: Zrle,
    /// What it was sent.
    shown: Frame,
    wanted: Option<Wanted>,
    video: VideoGuess,
    /// Extended sizes still to be told: by whom, and with which result.
    news: Vec<(u16, u16)>,
    /// A plain size still to be told.
    resized: bool,
    lights: Lights,
}

/// The lights of the locks.
#[derive(Clone, Copy, Debug, Default)]
struct Lights {
    now: u8,
    told: Option<u8>,
}

/// What was asked for and not answered yet: where, and what of it whether or not it has changed.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    area: Rect,
    refresh: Option<Rect>,
}

impl Viewer {
    pub(super) fn new((width, height): (u16, u16), frame_rate: usize) -> Self {
        Self {
            format: PixelFormat::default(),
            encodings: Vec::new(),
            zrle: Zrle::new(),
            shown: Frame::unknown(width.into(), height.into()),
            wanted: None,
            video: VideoGuess::new(frame_rate),
            news: Vec::new(),
            resized: false,
            lights: Lights::default(),
        }
    }

    pub(super) fn set_format(&mut self, format: PixelFormat) {
        self.format = format;
        self.forget();
    }

    /// Returns what is said to some encodings at once.
    pub(super) fn set_encodings(&mut self, encodings: Vec<i32>) -> Vec<u8> {
        self.encodings = encodings;
        let mut said = Vec::new();
        if self.takes(FENCE) {
            said.extend([248, 0, 0, 0, 0, 0, 0, 1, 0]);
        }
        if self.takes(CONTINUOUS_UPDATES) {
            said.push(150);
        }
        said
    }

    /// Requests that were not answered yet become one.
    pub(super) fn want(&mut self, incremental: bool, (x, y, width, height): (u16, u16, u16, u16)) {
        let area = Rect {
            x: x.into(),
            y: y.into(),
            width: width.into(),
            height: height.into(),
        };
        let refresh = (!incremental).then_some(area);
        self.wanted = Some(match self.wanted {
            None => Wanted { area, refresh },
            Some(other) => Wanted {
                area: area.with(other.area),
                refresh: match (refresh, other.refresh) {
                    (Some(one), Some(two)) => Some(one.with(two)),
                    (one, two) => one.or(two),
                },
            },
        });
    }

    /// Whether the client is told of the locks.
    pub(super) fn knows_locks(&self) -> bool {
        self.takes(LED_STATE)
    }

    /// The lights of the locks as they are; the next update tells of them if that is news.
    pub(super) fn see_lights(&mut self, lights: u8) {
        self.lights.now = lights;
    }

    /// Whether the client takes the lights and does not know them.
    fn has_news_of_lights(&self) -> bool {
        self.takes(LED_STATE) && self.lights.told != Some(self.lights.now)
    }

    /// The rectangle with the lights, if that is news.
    fn news_of_lights(&mut self) -> Option<Vec<u8>> {
        self.has_news_of_lights().then(|| {
            self.lights.told = Some(self.lights.now);
            let mut rectangle = vec![0; 8];
            rectangle.extend(LED_STATE.to_be_bytes());
            rectangle.push(self.lights.now);
            rectangle
        })
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.wanted.is_some()
    }

    /// The screen has another size, perhaps by this client's wish.
    pub(super) fn resize(&mut self, mine: bool) -> Result<(), CannotBeTold> {
        if self.takes(EXTENDED_DESKTOP_SIZE) {
            self.news.push((0, 0));
            if mine {
                self.news.push((1, 0));
            }
        } else if self.takes(DESKTOP_SIZE) && !mine {
            self.resized = true;
        } else {
            return Err(CannotBeTold);
        }
        Ok(())
    }

    /// The update that is due, if there is one.
    pub(super) fn answer(
        &mut self,
        frame: &Frame,
        watermarked: bool,
    ) -> Result<Option<Vec<u8>>, CannotBeTold> {
        let Some(wanted) = self.wanted else {
            return Ok(None);
        };
        if (self.shown.width, self.shown.height) != (frame.width, frame.height) {
            self.shown = Frame::unknown(frame.width, frame.height);
        }
        if self.resized {
            self.resized = false;
            self.wanted = None;
            return Ok(Some(size_update(frame)));
        }
        let refreshes = wanted.refresh.is_some();
        if self.takes(EXTENDED_DESKTOP_SIZE) && (refreshes || !self.news.is_empty()) {
            // Pixels come only for the incremental request after this.
            self.forget();
            self.wanted = None;
            let mut news = std::mem::take(&mut self.news);
            if news.is_empty() {
                news.push((0, 0));
            }
            return Ok(Some(extended_size_update(frame, &news)));
        }
        let rects = self.due(wanted, frame);
        if rects.is_empty() && !refreshes && !self.has_news_of_lights() {
            return Ok(None);
        }
        self.wanted = None;
        self.update(frame, &rects, watermarked && refreshes)
            .map(Some)
    }

    /// What is due: what has changed, and what was asked for in any case.
    fn due(&self, wanted: Wanted, frame: &Frame) -> Vec<Rect> {
        let within = |area: Rect| area.common(frame.area());
        let refresh = wanted.refresh.and_then(within);
        let mut rects = match within(wanted.area) {
            Some(area) if refresh != Some(area) => self.shown.differences(frame, area),
            Some(_) | None => Vec::new(),
        };
        if let Some(refresh) = refresh {
            rects.retain(|rect| rect.with(refresh) != refresh);
            if !rects.iter().any(|rect| rect.with(refresh) == *rect) {
                rects.extend(bands(refresh));
            }
        }
        rects
    }

    /// An update of these rectangles. To a client that cannot do without their number it is written down
    /// before the encoder has chosen how to cut them; in what it takes for a video the number is wrong.
    fn update(
        &mut self,
        frame: &Frame,
        rects: &[Rect],
        watermarked: bool,
    ) -> Result<Vec<u8>, CannotBeTold> {
        let pixels = |rect: &Rect| rect.width * rect.height;
        let share = rects.iter().map(pixels).sum::<usize>() as f64 / pixels(&frame.area()) as f64;
        let is_video = self.video.note(share);
        let open_end = self.takes(LAST_RECT);
        if (is_video || watermarked) && !open_end {
            return Err(CannotBeTold);
        }
        let lights = self.news_of_lights();
        let mut update = update_of(if open_end {
            usize::from(u16::MAX)
        } else {
            rects.len() + usize::from(lights.is_some())
        });
        update.extend(lights.unwrap_or_default());
        for rect in rects {
            self.rectangle(frame, *rect, &mut update);
            self.shown.take(frame, *rect);
        }
        if watermarked {
            head(frame.area(), TIGHT, &mut update);
            update.extend(WATERMARK);
        }
        if open_end {
            let nothing = Rect {
                x: 0,
                y: 0,
                width: 0,
                height: 0,
            };
            head(nothing, LAST_RECT, &mut update);
        }
        Ok(update)
    }

    fn rectangle(&mut self, frame: &Frame, rect: Rect, out: &mut Vec<u8>) {
        if self.takes(ZRLE) {
            head(rect, ZRLE, out);
            self.zrle.encode(frame, rect, &self.format, out);
        } else {
            head(rect, RAW, out);
            encode::raw(frame, rect, &self.format, out);
        }
    }

    fn takes(&self, encoding: i32) -> bool {
        self.encodings.contains(&encoding)
    }

    fn forget(&mut self) {
        self.shown = Frame::unknown(self.shown.width, self.shown.height);
    }
}

/// The head of an update.
pub(super) fn update_of(rects: usize) -> Vec<u8> {
    let mut update = vec![0, 0];
    update.extend(u16::try_from(rects).unwrap_or(u16::MAX).to_be_bytes());
    update
}

/// The head of a rectangle.
pub(super) fn head(rect: Rect, encoding: i32, out: &mut Vec<u8>) {
    for number in [rect.x, rect.y, rect.width, rect.height] {
        out.extend(u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes());
    }
    out.extend(encoding.to_be_bytes());
}

fn size_update(frame: &Frame) -> Vec<u8> {
    let mut update = update_of(1);
    head(frame.area(), DESKTOP_SIZE, &mut update);
    update
}

fn extended_size_update(frame: &Frame, news: &[(u16, u16)]) -> Vec<u8> {
    let mut update = update_of(news.len());
    for (by, result) in news {
        let rect = Rect {
            x: usize::from(*by),
            y: usize::from(*result),
            ..frame.area()
        };
        head(rect, EXTENDED_DESKTOP_SIZE, &mut update);
        // One screen, and it is all there is.
        update.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        for side in [frame.width, frame.height] {
            update.extend(u16::try_from(side).unwrap_or(u16::MAX).to_be_bytes());
        }
        update.extend([0; 4]);
    }
    update
}

fn bands(area: Rect) -> Vec<Rect> {
    let starts = (area.y..area.y + area.height).step_by(BAND);
    let band = |y| Rect {
        y,
        height: BAND.min(area.y + area.height - y),
        ..area
    };
    starts.map(band).collect()
}
