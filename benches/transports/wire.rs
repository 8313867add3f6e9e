//! A small HTTP/1.1 client: one kept connection, one request at a time. It does so little that
//! the server is what is measured.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Room for one read.
const READ_BYTES: usize = 16 * 1024;
/// A head or an event that is larger than this is a mistake.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// One kept connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    input: BytesMut,
    body: Vec<u8>,
}

/// What the head of a response says.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// The `Mcp-Session-Id`.
    pub(crate) session: Option<String>,
    /// Whether the body is a stream of events.
    pub(crate) events: bool,
    length: usize,
    chunked: bool,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            input: BytesMut::with_capacity(READ_BYTES),
            body: Vec::new(),
        })
    }

    pub(crate) async fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.socket.write_all(request).await.context("cannot send")
    }

    /// Reads a whole response; [`Self::body`] has its body.
    pub(crate) async fn response(&mut self) -> anyhow::Result<Head> {
        let head = self.head().await?;
        self.body.clear();
        if head.chunked {
            while self.chunk().await? {}
        } else {
            while self.input.len() < head.length {
                self.fill().await?;
            }
            self.body.extend_from_slice(&self.input[..head.length]);
            self.input.advance(head.length);
        }
        Ok(head)
    }

    /// The body that was read last.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Reads the head of a response whose body is read event by event.
    pub(crate) async fn head(&mut self) -> anyhow::Result<Head> {
        let end = loop {
            if let Some(at) = find(&self.input, b"\r\n\r\n") {
                break at;
            }
            self.fill().await?;
        };
        let text = std::str::from_utf8(&self.input[..end]).context("a head that is no text")?;
        let head = read_head(text)?;
        self.input.advance(end + 4);
        Ok(head)
    }

    /// Reads the next event of a stream, which is the body then. Comments are left out.
    pub(crate) async fn event(&mut self) -> anyhow::Result<()> {
        loop {
            self.body.clear();
            // One request is open at a time, so what is there ends with the event.
            while !self.body.ends_with(b"\n\n") {
                ensure!(self.chunk().await?, "the stream ended");
            }
            if !self.body.starts_with(b":") {
                return Ok(());
            }
        }
    }

    /// Appends the next chunk to the body; false at the end.
    async fn chunk(&mut self) -> anyhow::Result<bool> {
        let line = loop {
            if let Some(at) = find(&self.input, b"\r\n") {
                break at;
            }
            self.fill().await?;
        };
        let size = std::str::from_utf8(&self.input[..line]).context("a chunk without a size")?;
        let size = usize::from_str_radix(size.trim(), 16).context("a chunk without a size")?;
        while self.input.len() < line + 2 + size + 2 {
            self.fill().await?;
        }
        self.input.advance(line + 2);
        self.body.extend_from_slice(&self.input[..size]);
        self.input.advance(size + 2);
        Ok(size > 0)
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        ensure!(self.input.len() < BYTES_MAX, "the response has no end");
        self.input.reserve(READ_BYTES);
        if self.socket.read_buf(&mut self.input).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

fn read_head(text: &str) -> anyhow::Result<Head> {
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let mut head = Head {
        status: status.context("no status line")?.parse()?,
        ..Head::default()
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            head.length = value.parse()?;
            ensure!(head.length < BYTES_MAX, "the response is too large");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.chunked = value.eq_ignore_ascii_case("chunked");
        } else if name.eq_ignore_ascii_case("mcp-session-id") {
            head.session = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("content-type") {
            head.events = value.starts_with("text/event-stream");
        }
    }
    Ok(head)
}

/// Where `part` begins in `whole`.
pub(crate) fn find(whole: &[u8], part: &[u8]) -> Option<usize> {
    whole.windows(part.len()).position(|window| window == part)
}

/// The data of the last event that has some.
pub(crate) fn data_of(events: &[u8]) -> Option<&[u8]> {
    let lines = events.split(|byte| *byte == b'\n');
    let data = lines.filter_map(|line| line.strip_prefix(b"data:"));
    data.map(<[u8]>::trim_ascii).rfind(|data| !data.is_empty())
}
