//! Downloads of whole files: served by KasmVNC through a link below `~/Downloads`, or read in chunks if that is
//! not possible.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::{
    CheckedTarget, FileError, ScriptRun, SessionFiles, hex_digest, parse_number, parse_words,
};
use crate::jobs::{FolderRemoval, JobId};
use crate::kasm::session_proxy::{ProxyDownload, RunningSession};

const OFFER: &str = include_str!("scripts/offer.sh");
/// The chunk that one job reads if the file cannot be served.
const PIECE_BYTES: u64 = 4 << 20;
/// When the link below `~/Downloads` may be removed, if it was not removed before.
const OFFER_KEPT: Duration = Duration::from_secs(60);

/// A file that can be sent out.
pub struct OutgoingFile {
    /// Its size in bytes.
    pub size: u64,
    /// Last change, in seconds since 1970.
    pub modified: u64,
    /// SHA-256 in hex.
    pub sha256: String,
    files: SessionFiles,
    place: RunningSession,
    target: CheckedTarget,
    /// Where KasmVNC serves it, below `~/Downloads`.
    offer: String,
}

impl std::fmt::Debug for OutgoingFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl SessionFiles {
    /// Opens a file of at most `max` bytes.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn send_out(
        &self,
        place: &RunningSession,
        target: &CheckedTarget,
        max: u64,
    ) -> Result<OutgoingFile, FileError> {
        let id = JobId::random(false);
        let folder = format!(".kmcp-{id}");
        let done = self
            .run_file_script(
                place,
                ScriptRun::new(OFFER, target.script_args([folder.clone()])),
            )
            .await?;
        // An open file outlives its link, so a transfer that began in this time is not cut.
        self.jobs
            .remove_folder(place, id, FolderRemoval::After(OFFER_KEPT));
        let [size, modified, sha256] = parse_words(&done.stdout)?;
        let (size, modified) = (parse_number(size)?, parse_number(modified)?);
        if size > max {
            return Err(FileError::TooLarge { size, max });
        }
        Ok(OutgoingFile {
            size,
            modified,
            sha256: sha256.to_owned(),
            files: self.clone(),
            place: place.clone(),
            target: target.clone(),
            offer: format!("{folder}/file"),
        })
    }

    /// The file as KasmVNC serves it, if it does.
    async fn open_served(
        &self,
        place: &RunningSession,
        path: &str,
        size: u64,
    ) -> Option<ProxyDownload> {
        if place.session.downloads_allowed == Some(false) {
            return None;
        }
        let download = self.jobs.kasm().open_download(place, path).await;
        let download = download.ok().flatten()?;
        // Another size: the file changed since it was hashed. Pieces are read instead, and they report it.
        (download.content_length() == Some(size)).then_some(download)
    }
}

impl OutgoingFile {
    /// The bytes of a part. If it reaches to the end of the file, and is large, the last ones come only if all of the
    /// file had its hash; otherwise an error does. Smaller parts are compared piece by piece.
    pub fn into_bytes(self, part: Range<u64>) -> BoxStream<'static, Result<Bytes, FileError>> {
        let flow = ByteFlow {
            source: ByteSource::Unopened,
            position: 0,
            held: None,
            hasher: None,
            part,
            file: self,
            ended: false,
        };
        let bytes = stream::try_unfold(flow, |mut flow| async {
            let next = flow.next_bytes().await?;
            Ok(next.map(|bytes| (bytes, flow)))
        });
        bytes.boxed()
    }
}

enum ByteSource {
    Unopened,
    Served(ProxyDownload),
    Pieces,
}

/// The bytes of a part of a file. One chunk is held back until it is known whether all were right: after the last
/// byte of a body of known length an error can no longer reach the client.
struct ByteFlow {
    file: OutgoingFile,
    part: Range<u64>,
    source: ByteSource,
    /// Where the next chunk of the source begins.
    position: u64,
    /// Hashes all of the file, where all of it passes.
    hasher: Option<Sha256>,
    held: Option<Bytes>,
    ended: bool,
}

impl ByteFlow {
    async fn next_bytes(&mut self) -> Result<Option<Bytes>, FileError> {
        if matches!(self.source, ByteSource::Unopened) {
            self.open_source().await;
        }
        while !self.ended {
            let Some(chunk) = self.next_chunk().await? else {
                self.ended = true;
                self.check_hash()?;
                return Ok(self.held.take());
            };
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&chunk);
            }
            let begin = self.position;
            self.position += chunk.len() as u64;
            if self.position > self.file.size {
                return Err(FileError::Changed);
            }
            let wanted = self.part.start.max(begin)..self.part.end.min(self.position);
            if wanted.is_empty() {
                continue;
            }
            let inside = |offset: u64| usize::try_from(offset - begin).unwrap_or(usize::MAX);
            let bytes = chunk.slice(inside(wanted.start)..inside(wanted.end));
            if let Some(held) = self.held.replace(bytes) {
                return Ok(Some(held));
            }
        }
        Ok(None)
    }

    /// KasmVNC serves whole files only, so for a small part a script is cheaper.
    async fn open_source(&mut self) {
        let OutgoingFile {
            files,
            place,
            offer,
            size,
            ..
        } = &self.file;
        let length = self.part.end - self.part.start;
        let is_small_part = length <= PIECE_BYTES && length < *size;
        let served = if is_small_part {
            None
        } else {
            files.open_served(place, offer, *size).await
        };
        (self.source, self.position) = match served {
            Some(download) => (ByteSource::Served(download), 0),
            None => (ByteSource::Pieces, self.part.start),
        };
        // Only a flow that sees all bytes can compare the hash of the whole file.
        if self.position == 0 && self.part.end == *size {
            self.hasher = Some(Sha256::new());
        }
    }

    fn check_hash(&mut self) -> Result<(), FileError> {
        let Some(hasher) = self.hasher.take() else {
            return Ok(());
        };
        let is_right = self.position == self.file.size && hex_digest(hasher) == self.file.sha256;
        is_right.then_some(()).ok_or(FileError::Changed)
    }

    /// The next bytes from wherever they come; None at the end of the part.
    async fn next_chunk(&mut self) -> Result<Option<Bytes>, FileError> {
        if self.position >= self.part.end {
            return Ok(None);
        }
        if let ByteSource::Served(download) = &mut self.source {
            let chunk = download.next_chunk().await?;
            return chunk.map(Some).ok_or(FileError::Changed);
        }
        let file = &self.file;
        let length = PIECE_BYTES.min(self.part.end - self.position);
        let piece = file
            .files
            // Zero: a hash of the whole file for each piece would read it over and over.
            .read_hashed(&file.place, &file.target, self.position, length, 0)
            .await?;
        // Each piece is read by a script of its own: size and time show that they belong together.
        let is_same = piece.modified == file.modified && piece.size == file.size;
        if !is_same || piece.bytes.is_empty() {
            return Err(FileError::Changed);
        }
        Ok(Some(piece.bytes.into()))
    }
}
