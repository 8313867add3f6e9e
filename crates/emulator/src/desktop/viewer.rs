//! What one client knows of the screen, and what it is to be sent.

use super::encode::{self, Zrle};
use super::frame::{Frame, Rect};
use super::pixel::PixelFormat;

pub(super) const RAW: i32 = 0;
pub(super) const ZRLE: i32 = 16;
const DESKTOP_SIZE: i32 = -223;
const EXTENDED_DESKTOP_SIZE: i32 = -308;
/// The lights of the locks, one byte.
const LED_STATE: i32 = -261;
const FENCE: i32 = -312;
const CONTINUOUS_UPDATES: i32 = -313;

/// Rows of one rectangle.
const BAND: usize = 256;

/// The screen has another size, and a client cannot be told.
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

#[derive(Clone, Copy, Debug)]
struct Wanted {
    incremental: bool,
    area: Rect,
}

impl Viewer {
    pub(super) fn new((width, height): (u16, u16)) -> Self {
        Self {
            format: PixelFormat::default(),
            encodings: Vec::new(),
            zrle: Zrle::new(),
            shown: Frame::unknown(width.into(), height.into()),
            wanted: None,
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
        let asked = Wanted {
            incremental,
            area: Rect {
                x: x.into(),
                y: y.into(),
                width: width.into(),
                height: height.into(),
            },
        };
        self.wanted = Some(match self.wanted {
            None => asked,
            Some(other) => Wanted {
                incremental: asked.incremental && other.incremental,
                area: asked.area.with(other.area),
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

    /// The rectangle with the lights, if the client takes it and does not know them.
    fn news_of_lights(&mut self) -> Option<Vec<u8>> {
        let is_news = self.takes(LED_STATE) && self.lights.told != Some(self.lights.now);
        is_news.then(|| {
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
    pub(super) fn answer(&mut self, frame: &Frame) -> Option<Vec<u8>> {
        let wanted = self.wanted?;
        if (self.shown.width, self.shown.height) != (frame.width, frame.height) {
            self.shown = Frame::unknown(frame.width, frame.height);
        }
        if self.resized {
            self.resized = false;
            self.wanted = None;
            return Some(size_update(frame));
        }
        if self.takes(EXTENDED_DESKTOP_SIZE) && (!wanted.incremental || !self.news.is_empty()) {
            // Pixels come only for the incremental request after this.
            self.forget();
            self.wanted = None;
            let mut news = std::mem::take(&mut self.news);
            if news.is_empty() {
                news.push((0, 0));
            }
            return Some(extended_size_update(frame, &news));
        }
        let area = wanted.area.common(frame.area());
        let rects = match area {
            None => Vec::new(),
            Some(area) if wanted.incremental => self.shown.differences(frame, area),
            Some(area) => bands(area),
        };
        let lights = self.news_of_lights();
        if rects.is_empty() && wanted.incremental && lights.is_none() {
            return None;
        }
        self.wanted = None;
        let mut update = update_of(rects.len() + usize::from(lights.is_some()));
        update.extend(lights.unwrap_or_default());
        for rect in rects {
            self.rectangle(frame, rect, &mut update);
            self.shown.take(frame, rect);
        }
        Some(update)
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
