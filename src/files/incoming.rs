//! Content that is too large for dispatches: through Kasm's upload service to `~/Uploads`, then to its
//! destination.

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::write::write_run;
use super::{CheckedTarget, FileError, SessionFiles, WriteRequest, WriteResult, hex_digest};
use crate::jobs::{JobId, JobSpec};
use crate::kasm::session_proxy::{ChunkedUpload, RunningSession};

/// Content up to this size is written without the upload service if that fails.
const COLLECTED_BYTES_MAX: u64 = 8 << 20;

/// Content that is being received; an error says why it was interrupted.
pub type FileContentStream = BoxStream<'static, Result<Bytes, String>>;

impl SessionFiles {
    /// Writes a file from a stream of exactly `length` bytes.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn receive_file(
        &self,
        place: &RunningSession,
        target: &CheckedTarget,
        length: u64,
        mut content: FileContentStream,
    ) -> Result<WriteResult, FileError> {
        if length <= COLLECTED_BYTES_MAX {
            // A stream can be read once only. Bytes can be sent again in parts if the upload service fails.
            let bytes = take_bytes(&mut content, &mut BytesMut::new(), length).await?;
            at_end(&mut content).await?;
            return self
                .write_file(place, target, &bytes, &WriteRequest::default())
                .await;
        }
        self.write_through_uploads(place, target, length, content, &WriteRequest::default())
            .await
    }

    pub(super) async fn write_uploaded(
        &self,
        place: &RunningSession,
        target: &CheckedTarget,
        bytes: &[u8],
        writing: &WriteRequest,
    ) -> Result<WriteResult, FileError> {
        let whole = Bytes::copy_from_slice(bytes);
        let content = stream::iter([Ok(whole)]).boxed();
        self.write_through_uploads(place, target, bytes.len() as u64, content, writing)
            .await
    }

    async fn write_through_uploads(
        &self,
        place: &RunningSession,
        target: &CheckedTarget,
        length: u64,
        mut content: FileContentStream,
        writing: &WriteRequest,
    ) -> Result<WriteResult, FileError> {
        // The last step is a script. Checked first, or a long upload would end without a known result.
        self.jobs.check_reachable(place).await?;
        let id = JobId::random(false);
        let name = format!("kmcp-{id}");
        let mut upload = ChunkedUpload::new(name.clone(), length);
        let sent = self.send_chunks(place, &mut upload, &mut content).await;
        match sent {
            Ok(hash) => {
                let sources = [format!("Uploads/{name}")];
                let run = write_run(target, writing, &hash, &sources);
                self.finish_write(place, run).await
            }
            Err(error) => {
                self.discard_upload(place, &name).await;
                Err(error)
            }
        }
    }

    /// Sends everything; returns its hash.
    async fn send_chunks(
        &self,
        place: &RunningSession,
        upload: &mut ChunkedUpload,
        content: &mut FileContentStream,
    ) -> Result<String, FileError> {
        let mut hasher = Sha256::new();
        let mut spare = BytesMut::new();
        while let Some(length) = upload.next_len() {
            let chunk = take_bytes(content, &mut spare, length).await?;
            // The script compares this hash with the file that arrived: the upload service reports none.
            hasher.update(&chunk);
            self.jobs.kasm().upload_chunk(place, upload, &chunk).await?;
        }
        if !spare.is_empty() {
            return Err(FileError::Broken(
                "more bytes were received than announced".to_owned(),
            ));
        }
        at_end(content).await?;
        Ok(hex_digest(hasher))
    }

    /// Removes what arrived of an upload that broke off.
    async fn discard_upload(&self, place: &RunningSession, name: &str) {
        let script = r#"rm -rf -- "$HOME/Uploads/$1""#;
        let spec = JobSpec::of_internal_script(&[script], vec![name.to_owned()]);
        // Its result is not read: the failure that led here is the one to report.
        let _started = self.jobs.start_job(place, &spec).await;
    }
}

/// The next `length` bytes; what came beyond them stays in `spare`.
async fn take_bytes(
    content: &mut FileContentStream,
    spare: &mut BytesMut,
    length: u64,
) -> Result<Bytes, FileError> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    // Holds one chunk and one item of the stream at most, however large the file is.
    while spare.len() < length {
        match content.next().await {
            Some(bytes) => spare.extend_from_slice(&bytes.map_err(FileError::Broken)?),
            None => {
                return Err(FileError::Broken(
                    "fewer bytes were received than announced".to_owned(),
                ));
            }
        }
    }
    Ok(spare.split_to(length).freeze())
}

async fn at_end(content: &mut FileContentStream) -> Result<(), FileError> {
    match content.next().await {
        None => Ok(()),
        Some(Ok(more)) if more.is_empty() => Ok(()),
        Some(Ok(_)) => Err(FileError::Broken(
            "more bytes were received than announced".to_owned(),
        )),
        Some(Err(why)) => Err(FileError::Broken(why)),
    }
}
