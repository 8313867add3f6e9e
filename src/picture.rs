//! Screenshots for models: scaled to fit, and small enough for a reply.

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::{CompressionType, FilterType as PngFilter, PngEncoder};
use image::imageops::{self, FilterType};
use image::{ExtendedColorType, ImageBuffer, ImageDecoder, ImageEncoder, ImageResult, Rgb};

/// The limits of a picture.
#[derive(Clone, Copy, Debug)]
pub struct PictureBounds {
    /// The largest width in pixels.
    pub width: u32,
    /// The largest height in pixels.
    pub height: u32,
    /// The most bytes, if possible.
    pub bytes: usize,
}

/// An encoded picture.
#[derive(Clone)]
pub struct Picture {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// `image/png` or `image/jpeg`.
    pub media_type: &'static str,
    /// Its width in pixels.
    pub width: u32,
    /// Its height in pixels.
    pub height: u32,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picture")
            .field("media_type", &self.media_type)
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

/// The picture cannot be encoded.
#[derive(Debug, thiserror::Error)]
#[error("the screenshot cannot be encoded: {0}")]
pub struct PictureError(String);

/// The size of a picture of `width` by `height`, scaled to fit the bounds. It is never enlarged, and has at
/// least one pixel.
#[must_use]
pub fn fitted_size(width: u32, height: u32, bounds: PictureBounds) -> (u32, u32) {
    // The products below exceed 32 bits for pictures of more than 65,535 pixels a side.
    let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
    let (most_wide, most_high) = (
        u64::from(bounds.width.max(1)),
        u64::from(bounds.height.max(1)),
    );
    if width <= most_wide && height <= most_high {
        return (saturated_u32(width), saturated_u32(height));
    }
    // Proportions are compared by their cross products, which are exact.
    if width * most_high >= height * most_wide {
        (
            saturated_u32(most_wide),
            saturated_u32((height * most_wide + width / 2) / width),
        )
    } else {
        (
            saturated_u32((width * most_high + height / 2) / height),
            saturated_u32(most_high),
        )
    }
}

fn saturated_u32(number: u64) -> u32 {
    u32::try_from(number.max(1)).unwrap_or(u32::MAX)
}

/// Encodes `rgb`, `width` by `height` pixels of three bytes: as PNG, which is sharp, if that is small enough,
/// otherwise as JPEG.
///
/// # Errors
/// The number of pixels differs from the announced size.
pub fn encode_picture(
    rgb: &[u8],
    width: u32,
    height: u32,
    bounds: PictureBounds,
) -> Result<Picture, PictureError> {
    let missing =
        || PictureError("the number of pixels differs from the announced size".to_owned());
    // The encoders panic on another number of bytes.
    if rgb.len() as u64 != u64::from(width) * u64::from(height) * 3 {
        return Err(missing());
    }
    let (to_width, to_height) = fitted_size(width, height, bounds);
    let pixels = if (to_width, to_height) == (width, height) {
        Cow::Borrowed(rgb)
    } else {
        let whole = ImageBuffer::<Rgb<u8>, _>::from_raw(width, height, rgb);
        let whole = whole.ok_or_else(missing)?;
        Cow::Owned(imageops::resize(&whole, to_width, to_height, FilterType::Triangle).into_raw())
    };
    let encoded = smallest_encoding(&pixels, to_width, to_height, bounds.bytes);
    let (bytes, media_type) = encoded.map_err(|error| PictureError(error.to_string()))?;
    Ok(Picture {
        bytes,
        media_type,
        width: to_width,
        height: to_height,
    })
}

/// The width and height in a JPEG header. None: the bytes are not a JPEG.
#[must_use]
pub fn jpeg_size(jpeg: &[u8]) -> Option<(u32, u32)> {
    let decoder = JpegDecoder::new(Cursor::new(jpeg)).ok()?;
    Some(decoder.dimensions())
}

/// The best encoding with at most `max` bytes, or the smallest one.
fn smallest_encoding(
    rgb: &[u8],
    width: u32,
    height: u32,
    max: usize,
) -> ImageResult<(Vec<u8>, &'static str)> {
    // Windows and text are flat areas, which PNG keeps sharp and small. Photographs and noise need JPEG.
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Fast, PngFilter::Adaptive)
        .write_image(rgb, width, height, ExtendedColorType::Rgb8)?;
    if png.len() <= max {
        return Ok((png, "image/png"));
    }
    let mut jpeg = Vec::new();
    for quality in [85, 70, 50, 30] {
        jpeg.clear();
        JpegEncoder::new_with_quality(&mut jpeg, quality).write_image(
            rgb,
            width,
            height,
            ExtendedColorType::Rgb8,
        )?;
        // The last one is sent even if it is larger: a picture over the limit is of more use than none.
        if jpeg.len() <= max {
            break;
        }
    }
    Ok((jpeg, "image/jpeg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: PictureBounds = PictureBounds {
        width: 1280,
        height: 1280,
        bytes: 512 * 1024,
    };

    #[test]
    fn picture_is_scaled_to_bounds_in_proportion() {
        assert_eq!(fitted_size(1280, 720, BOUNDS), (1280, 720));
        assert_eq!(fitted_size(1920, 1080, BOUNDS), (1280, 720));
        assert_eq!(fitted_size(3840, 2008, BOUNDS), (1280, 669));
        assert_eq!(fitted_size(1080, 1920, BOUNDS), (720, 1280));
        assert_eq!(fitted_size(60_000, 1, BOUNDS), (1280, 1));
        let narrow = PictureBounds {
            width: 640,
            height: 100,
            bytes: 0,
        };
        assert_eq!(fitted_size(1280, 720, narrow), (178, 100));
    }

    #[test]
    fn plain_picture_is_png_and_noisy_one_jpeg() {
        let plain = vec![200; 640 * 480 * 3];
        let picture = encode_picture(&plain, 640, 480, BOUNDS).unwrap();
        assert_eq!(picture.media_type, "image/png");
        let mut state = 1_u32;
        let noise: Vec<u8> = (0..800 * 450 * 3)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        let small = PictureBounds {
            width: 400,
            bytes: 100_000,
            ..BOUNDS
        };
        let picture = encode_picture(&noise, 800, 450, small).unwrap();
        assert_eq!(picture.media_type, "image/jpeg");
        assert!(
            picture.bytes.len() <= small.bytes,
            "{}",
            picture.bytes.len()
        );
        assert_eq!((picture.width, picture.height), (400, 225));
        assert!(encode_picture(&noise, 800, 451, BOUNDS).is_err());
    }
}
