//! What clients say.

use super::pixel::PixelFormat;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    SetPixelFormat(PixelFormat),
    SetEncodings(Vec<i32>),
    UpdateRequest {
        incremental: bool,
        area: (u16, u16, u16, u16),
    },
    Key {
        down: bool,
        keysym: u32,
    },
    Pointer {
        mask: u16,
        x: u16,
        y: u16,
        scroll: (i16, i16),
    },
    /// Types and contents.
    Clipboard(Vec<(String, Vec<u8>)>),
    SetDesktopSize(u16, u16),
    /// Read and not heeded.
    Nothing,
}

/// The stream makes no sense from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unknown;

/// Takes the next message from the front, if all of it is there.
pub(super) fn next(inbox: &mut Vec<u8>) -> Result<Option<Message>, Unknown> {
    let mut bytes = Bytes { all: inbox, at: 0 };
    let Some(message) = read(&mut bytes) else {
        return Ok(None);
    };
    let (message, at) = (message?, bytes.at);
    inbox.drain(..at);
    Ok(Some(message))
}

/// Nothing: it is not all there.
fn read(bytes: &mut Bytes<'_>) -> Option<Result<Message, Unknown>> {
    let message = match bytes.u8()? {
        0 => {
            bytes.skip(3)?;
            Message::SetPixelFormat(PixelFormat::read(bytes.take(16)?)?)
        }
        2 => {
            bytes.skip(1)?;
            let count = bytes.u16()?;
            let encodings = (0..count).map(|_| bytes.u32().map(u32::cast_signed));
            Message::SetEncodings(encodings.collect::<Option<_>>()?)
        }
        3 => Message::UpdateRequest {
            incremental: bytes.u8()? != 0,
            area: (bytes.u16()?, bytes.u16()?, bytes.u16()?, bytes.u16()?),
        },
        4 => {
            let down = bytes.u8()? != 0;
            bytes.skip(2)?;
            let keysym = bytes.u32()?;
            Message::Key { down, keysym }
        }
        5 => Message::Pointer {
            mask: bytes.u16()?,
            x: bytes.u16()?,
            y: bytes.u16()?,
            scroll: (bytes.u16()?.cast_signed(), bytes.u16()?.cast_signed()),
        },
        6 => {
            bytes.skip(3)?;
            let length = bytes.u32()?.cast_signed().unsigned_abs();
            bytes.skip(usize::try_from(length).ok()?)?;
            Message::Nothing
        }
        150 => {
            bytes.skip(9)?;
            Message::Nothing
        }
        180 => clipboard(bytes)?,
        248 => {
            bytes.skip(7)?;
            let length = bytes.u8()?;
            bytes.skip(length.into())?;
            Message::Nothing
        }
        251 => {
            bytes.skip(1)?;
            let size = (bytes.u16()?, bytes.u16()?);
            let screens = bytes.u8()?;
            bytes.skip(1 + 16 * usize::from(screens))?;
            Message::SetDesktopSize(size.0, size.1)
        }
        _ => return Some(Err(Unknown)),
    };
    Some(Ok(message))
}

fn clipboard(bytes: &mut Bytes<'_>) -> Option<Message> {
    let mut contents = Vec::new();
    for _ in 0..bytes.u8()? {
        let length = bytes.u8()?;
        let kind = String::from_utf8_lossy(bytes.take(length.into())?).into_owned();
        let length = bytes.u32()?;
        let data = bytes.take(usize::try_from(length).ok()?)?;
        contents.push((kind, data.to_vec()));
    }
    Some(Message::Clipboard(contents))
}

struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.all.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(|_| ())
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, Unknown, next};

    #[test]
    fn rfb_message_is_read_only_when_complete() {
        let pointer = [5, 0, 1, 0, 10, 0, 20, 0, 0, 255, 206];
        let mut inbox = Vec::new();
        for byte in pointer {
            assert_eq!(next(&mut inbox), Ok(None));
            inbox.push(byte);
        }
        inbox.push(77);
        let expected = Message::Pointer {
            mask: 1,
            x: 10,
            y: 20,
            scroll: (0, -50),
        };
        assert_eq!(next(&mut inbox), Ok(Some(expected)));
        assert_eq!(next(&mut inbox), Err(Unknown));
    }
}
