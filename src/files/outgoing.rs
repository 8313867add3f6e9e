//! Downloads of whole files: served by KasmVNC through a link below `~/Downloads`, or read in chunks if that is
//! not possible.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::{FileError, Files, Run, Target, hex_digest, number, words};
use crate::jobs::{JobId, Removal};
use crate::kasm::plane::{Download, Place};

const OFFER: &str = include_str!("scripts/offer.sh");
/// The chunk that one job reads if the file cannot be served.
const PIECE_BYTES: u64 = 4 << 20;
/// When the link below `~/Downloads` may be removed, if it was not removed before.
const OFFER_KEPT: Duration = Duration::from_secs(60);

/// A download.
pub struct Outgoing {
    /// Its size in bytes.
    pub size: u64,
    /// Last change, in seconds since 1970.
    pub modified: u64,
    /// SHA-256 in hex.
    pub sha256: String,
    /// Its bytes. The last ones follow only if the whole content has that hash; otherwise an error follows.
    pub bytes: BoxStream<'static, Result<Bytes, FileError>>,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl Files {
    /// Opens a file of at most `max` bytes.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn send_out(
        &self,
        place: &Place,
        target: &Target,
        max: u64,
    ) -> Result<Outgoing, FileError> {
        let id = JobId::random(false);
        let folder = format!(".kmcp-{id}");
        let done = self
            .run(place, Run::new(OFFER, target.args([folder.clone()])))
            .await?;
        self.jobs.forget(place, id, Removal::After(OFFER_KEPT));
        let [size, modified, sha256] = words(&done.stdout)?;
        let (size, modified) = (number(size)?, number(modified)?);
        if size > max {
            return Err(FileError::TooLarge { size, max });
        }
        let source = match self.serve(place, &format!("{folder}/file"), size).await {
            Some(download) => Source::Served(download),
            None => Source::Pieces {
                files: self.clone(),
                place: Box::new(place.clone()),
                target: target.clone(),
                modified,
            },
        };
        let flow = Flow {
            source,
            held: None,
            hasher: Sha256::new(),
            received: 0,
            size,
            sha256: sha256.to_owned(),
            ended: false,
        };
        let bytes = stream::try_unfold(flow, |mut flow| async {
            let next = flow.next().await?;
            Ok(next.map(|bytes| (bytes, flow)))
        });
        Ok(Outgoing {
            size,
            modified,
            sha256: sha256.to_owned(),
            bytes: bytes.boxed(),
        })
    }

    /// The file as KasmVNC serves it, if it does.
    async fn serve(&self, place: &Place, path: &str, size: u64) -> Option<Download> {
        if place.session.downloads_allowed == Some(false) {
            return None;
        }
        let download = self.jobs.kasm().download(place, path).await;
        let download = download.ok().flatten()?;
        (download.length() == Some(size)).then_some(download)
    }
}

enum Source {
    Served(Download),
    Pieces {
        files: Files,
        place: Box<Place>,
        target: Target,
        modified: u64,
    },
}

/// The bytes of a file. One chunk is held back until the hash was compared, because no error can follow the
/// last byte of a body with known length.
struct Flow {
    source: Source,
    held: Option<Bytes>,
    hasher: Sha256,
    received: u64,
    size: u64,
    sha256: String,
    ended: bool,
}

impl Flow {
    async fn next(&mut self) -> Result<Option<Bytes>, FileError> {
        loop {
            if self.ended {
                return Ok(None);
            }
            let Some(chunk) = self.chunk().await? else {
                self.ended = true;
                let hash = hex_digest(std::mem::take(&mut self.hasher));
                if self.received != self.size || hash != self.sha256 {
                    return Err(FileError::Changed);
                }
                return Ok(self.held.take());
            };
            self.hasher.update(&chunk);
            self.received += chunk.len() as u64;
            if self.received > self.size {
                return Err(FileError::Changed);
            }
            if let Some(held) = self.held.replace(chunk) {
                return Ok(Some(held));
            }
        }
    }

    /// The next bytes from either source; None at the end.
    async fn chunk(&mut self) -> Result<Option<Bytes>, FileError> {
        match &mut self.source {
            Source::Served(download) => Ok(download.chunk().await?),
            Source::Pieces { .. } if self.received >= self.size => Ok(None),
            Source::Pieces {
                files,
                place,
                target,
                modified,
            } => {
                let piece = files
                    .read_hashed(place, target, self.received, PIECE_BYTES, 0)
                    .await?;
                if piece.modified != *modified || piece.size != self.size || piece.bytes.is_empty()
                {
                    return Err(FileError::Changed);
                }
                Ok(Some(piece.bytes.into()))
            }
        }
    }
}
