//! Messages as lines of standard input and output.
//!
//! Parses messages as the other transports do. rmcp's own stdio transport answers a request with invalid params
//! by an error without an id, for which the client waits in vain.

use std::io;
use std::sync::Arc;

use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::{ErrorData, RoleServer};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader,
};
use tokio::sync::{Mutex, mpsc};

use super::error_data::with_code;
use super::message;

/// The longest line that is accepted, in bytes.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many messages may wait for the service.
const MESSAGES_MAX: usize = 16;

/// The connection to the one client of this process.
#[derive(Debug)]
pub struct StdioTransport<W> {
    messages: mpsc::Receiver<Box<ClientJsonRpcMessage>>,
    output: Output<W>,
}

type Output<W> = Arc<Mutex<W>>;

impl<W: AsyncWrite + Send + Unpin + 'static> StdioTransport<W> {
    /// Reads lines of `input` in a task of its own, because a service drops a pending read whenever it sends
    /// something.
    pub fn new(input: impl AsyncRead + Send + Unpin + 'static, output: W) -> Self {
        let output = Arc::new(Mutex::new(output));
        // Bounded: if the service is slow, reading stops, the pipe fills, and the client waits.
        let (sender, messages) = mpsc::channel(MESSAGES_MAX);
        tokio::spawn(read_messages(BufReader::new(input), sender, output.clone()));
        Self { messages, output }
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> Transport<RoleServer> for StdioTransport<W> {
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let output = self.output.clone();
        async move { write_message(&output, &message).await }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.messages.recv().await.map(|message| *message)
    }

    async fn close(&mut self) -> io::Result<()> {
        self.messages.close();
        self.output.lock().await.flush().await
    }
}

async fn write_message<W: AsyncWrite + Unpin>(
    output: &Output<W>,
    message: &ServerJsonRpcMessage,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    // One lock for line and flush: answers that are ready at the same time must not mix.
    let mut output = output.lock().await;
    output.write_all(&line).await?;
    output.flush().await
}

async fn read_messages<W: AsyncWrite + Unpin>(
    mut input: impl AsyncBufRead + Unpin,
    messages: mpsc::Sender<Box<ClientJsonRpcMessage>>,
    output: Output<W>,
) {
    let mut line = Vec::new();
    loop {
        line.clear();
        match read_line(&mut input, &mut line).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return tracing::error!("standard input cannot be read: {error}"),
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match message::parse_message(text) {
            Ok(message) => {
                if messages.send(Box::new(message)).await.is_err() {
                    return;
                }
            }
            Err(error) if error.is_data() => {
                let error = ErrorData::invalid_request("the line is not an MCP message", None);
                let error = with_code(error, "invalid_message");
                let answer: ServerJsonRpcMessage = JsonRpcMessage::error(error, None);
                if write_message(&output, &answer).await.is_err() {
                    return;
                }
            }
            // Answering an error to a line that is not JSON could start an endless loop.
            Err(error) => tracing::debug!("dropped a line that is not JSON: {error}"),
        }
    }
}

/// Reads one line. A line longer than [`LINE_BYTES_MAX`] is dropped, and `line` is empty. Returns false at the
/// end of the input.
async fn read_line(
    input: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut is_too_long = false;
    loop {
        line.clear();
        // `take` limits the memory: without it a line that never ends would fill it.
        let most = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let read = (&mut *input).take(most).read_until(b'\n', line).await?;
        if read == 0 {
            return Ok(false);
        }
        // A short read without a line end is the last line of the input.
        let has_ended = line.ends_with(b"\n") || read < LINE_BYTES_MAX;
        if is_too_long || !has_ended {
            is_too_long = true;
            line.clear();
            tracing::error!("dropped a line longer than {LINE_BYTES_MAX} bytes");
        }
        if has_ended {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn stdio_line_that_is_no_message_gets_an_error() {
        let (client, server) = tokio::io::duplex(1 << 20);
        let (input, output) = tokio::io::split(server);
        let mut transport = StdioTransport::new(input, output);
        let (from_server, mut to_server) = tokio::io::split(client);
        let mut lines = BufReader::new(from_server).lines();
        to_server
            .write_all(b"nonsense\n\n{\"x\":1}\n")
            .await
            .unwrap();
        let answer = lines.next_line().await.unwrap().unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["error"]["code"], -32600, "{answer}");
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": [] });
        to_server
            .write_all(format!("{ping}\r\n").as_bytes())
            .await
            .unwrap();
        let message = transport.receive().await.unwrap();
        assert!(matches!(message, JsonRpcMessage::Request(_)), "{message:?}");
        to_server.shutdown().await.unwrap();
        assert!(transport.receive().await.is_none());
    }

    #[tokio::test]
    async fn stdio_line_over_length_limit_is_dropped() {
        let mut input = vec![b'x'; LINE_BYTES_MAX + 5];
        input.extend_from_slice(b"\nnext\n");
        let mut input = BufReader::new(&input[..]);
        let mut line = Vec::new();
        assert!(read_line(&mut input, &mut line).await.unwrap());
        assert_eq!(line, b"");
        assert!(read_line(&mut input, &mut line).await.unwrap());
        assert_eq!(line, b"next\n");
        assert!(!read_line(&mut input, &mut line).await.unwrap());
    }
}
