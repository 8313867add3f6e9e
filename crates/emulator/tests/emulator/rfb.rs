//! A client of RFB over WebSocket, as small as it can be.

mod zrle;

use std::time::Duration;

use flate2::Decompress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::Server;
use zrle::{pixel, u16s};

pub(super) use zrle::under_zeros;

/// What a browser sends along.
pub(super) const BROWSER: &str = "Origin: https://kasm\r\nSec-WebSocket-Protocol: binary\r\n";
pub(super) const ZRLE: i32 = 16;
pub(super) const DESKTOP_SIZE: i32 = -223;
pub(super) const EXTENDED: i32 = -308;
pub(super) const LED_STATE: i32 = -261;

/// A connected client and its picture.
pub(super) struct Rfb {
    socket: TcpStream,
    inbox: Vec<u8>,
    zlib: Decompress,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<u32>,
    /// The lights of the locks, each time that they were told.
    pub(super) lights: Vec<u8>,
    /// Messages that nobody asked for: their type and what is in them.
    pub(super) unasked: Vec<(u8, Vec<u8>)>,
}

/// A rectangle without its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) encoding: i32,
}

/// Asks for a WebSocket. Returns the status and the connection.
pub(super) async fn knock(
    server: &Server,
    kasm_id: &str,
    cookies: &str,
    headers: &str,
) -> (u16, TcpStream) {
    let url = server.service(kasm_id, "vnc/websockify");
    let target = url.strip_prefix(server.url()).unwrap();
    let mut socket = TcpStream::connect(server.addr()).await.unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: x\r\nCookie: {cookies}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    if head.contains(" 101 ") {
        let lower = head.to_ascii_lowercase();
        assert!(lower.contains("sec-websocket-protocol: binary"), "{head}");
        // The example of the standard.
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    }
    (head[9..12].parse().unwrap(), socket)
}

pub(super) fn cookies(token: &str) -> String {
    format!("username=demo@kasm.local; session_token={token}")
}

impl Rfb {
    /// A client that has shaken hands and shares.
    pub(super) async fn connect(server: &Server, kasm_id: &str, token: &str) -> Self {
        Self::connect_as(server, kasm_id, &cookies(token), true).await
    }

    pub(super) async fn connect_as(
        server: &Server,
        kasm_id: &str,
        cookies: &str,
        shares: bool,
    ) -> Self {
        let mut client = Self::open(server, kasm_id, cookies).await;
        assert_eq!(client.take(12).await, b"RFB 003.008\n");
        client.send(b"RFB 003.008\n").await;
        let types = client.take(2).await;
        client.send(&types[1..]).await;
        if types[1] == 2 {
            let challenge = client.take(16).await;
            client.send(&under_zeros(&challenge)).await;
        }
        assert_eq!(client.take(4).await, [0; 4]);
        client.send(&[u8::from(shares)]).await;
        client.init().await;
        client
    }

    /// A client that has said nothing yet.
    pub(super) async fn open(server: &Server, kasm_id: &str, cookies: &str) -> Self {
        let (status, socket) = knock(server, kasm_id, cookies, BROWSER).await;
        assert_eq!(status, 101);
        Self {
            socket,
            inbox: Vec::new(),
            zlib: Decompress::new(true),
            width: 0,
            height: 0,
            pixels: Vec::new(),
            lights: Vec::new(),
            unasked: Vec::new(),
        }
    }

    /// Reads ServerInit.
    pub(super) async fn init(&mut self) {
        let init = self.take(24).await;
        assert_eq!(init[4..8], [32, 24, 0, 1]);
        self.adopt(u16s(&init[..4]));
        assert_eq!(self.take(3).await, b"x11");
    }

    fn adopt(&mut self, size: Vec<usize>) {
        (self.width, self.height) = (size[0], size[1]);
        self.pixels = vec![0; self.width * self.height];
    }

    /// Sends bytes as one masked frame.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.send_frame(0x82, bytes).await;
    }

    pub(super) async fn send_frame(&mut self, opcode: u8, bytes: &[u8]) {
        let mask = [7, 99, 180, 255];
        let mut frame = vec![opcode];
        match bytes.len() {
            short @ 0..126 => frame.push(0x80 | short as u8),
            short @ 126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend((short as u16).to_be_bytes());
            }
            long => {
                frame.push(0x80 | 127);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        frame.extend(mask);
        let masked = bytes.iter().zip(mask.iter().cycle());
        frame.extend(masked.map(|(byte, mask)| byte ^ mask));
        self.socket.write_all(&frame).await.unwrap();
    }

    /// So many bytes, or nothing if the connection ends before.
    pub(super) async fn try_take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.inbox.len() < count {
            let head = self.raw(2).await?;
            assert_eq!(head[0], 0x82, "only whole binary frames come");
            let length = match head[1] {
                126 => u16s(&self.raw(2).await?)[0],
                127 => panic!("too long a frame"),
                short => short.into(),
            };
            assert!(length <= 49_152);
            let payload = self.raw(length).await?;
            self.inbox.extend(payload);
        }
        Some(self.inbox.drain(..count).collect())
    }

    async fn raw(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        let read = self.socket.read_exact(&mut bytes);
        let read = tokio::time::timeout(Duration::from_secs(10), read).await;
        read.expect("it comes in time").ok()?;
        Some(bytes)
    }

    /// The next update as it comes, so many bytes of it.
    pub(super) async fn told_raw(&mut self, count: usize) -> Vec<u8> {
        while self.take(1).await != [0] {
            let length = self.u32().await;
            self.take(length).await;
        }
        let rest = self.take(count - 1).await;
        [vec![0], rest].concat()
    }

    pub(super) async fn take(&mut self, count: usize) -> Vec<u8> {
        self.try_take(count).await.expect("the connection holds")
    }

    /// Whether the connection ends, whatever else comes before.
    pub(super) async fn ends(&mut self) -> bool {
        while self.try_take(1).await.is_some() {}
        true
    }

    pub(super) async fn encodings(&mut self, encodings: &[i32]) {
        let mut message = vec![2, 0];
        message.extend((encodings.len() as u16).to_be_bytes());
        message.extend(encodings.iter().flat_map(|e| e.to_be_bytes()));
        self.send(&message).await;
    }

    pub(super) async fn ask(&mut self, incremental: bool) {
        let size = [self.width as u16, self.height as u16];
        self.ask_for(incremental, [0, 0, size[0], size[1]]).await;
    }

    pub(super) async fn ask_for(&mut self, incremental: bool, area: [u16; 4]) {
        let mut message = vec![3, u8::from(incremental)];
        message.extend(area.iter().flat_map(|n| n.to_be_bytes()));
        self.send(&message).await;
    }

    /// Asks for an update and takes it in.
    pub(super) async fn update(&mut self, incremental: bool) -> Vec<Rect> {
        self.ask(incremental).await;
        self.updated().await.expect("the connection holds")
    }

    /// Waits for the next update; what comes before it is kept.
    pub(super) async fn updated(&mut self) -> Option<Vec<Rect>> {
        loop {
            let kind = self.try_take(1).await?[0];
            if kind != 0 {
                let body = self.body(kind).await;
                self.unasked.push((kind, body));
                continue;
            }
            let head = self.try_take(3).await?;
            let mut rects = Vec::new();
            for _ in 0..u16s(&head[1..])[0] {
                rects.push(self.rectangle().await?);
            }
            return Some(rects);
        }
    }

    /// Waits for a message that nobody asked for.
    pub(super) async fn told(&mut self, kind: u8) -> Vec<u8> {
        loop {
            if let Some(at) = self.unasked.iter().position(|(k, _)| *k == kind) {
                return self.unasked.remove(at).1;
            }
            let kind = self.take(1).await[0];
            let body = self.body(kind).await;
            self.unasked.push((kind, body));
        }
    }

    async fn body(&mut self, kind: u8) -> Vec<u8> {
        match kind {
            179 | 150 => Vec::new(),
            253 | 254 => {
                let length = self.u32().await;
                self.take(length).await
            }
            180 => {
                assert_eq!(self.take(1).await, [1]);
                self.take(4).await;
                let length = self.take(1).await[0];
                assert_eq!(self.take(length.into()).await, b"text/plain");
                let length = self.u32().await;
                self.take(length).await
            }
            248 => {
                let head = self.take(8).await;
                self.take(head[7].into()).await
            }
            other => panic!("message {other}"),
        }
    }

    async fn u32(&mut self) -> usize {
        let bytes = self.take(4).await;
        u32::from_be_bytes(bytes.try_into().unwrap()) as usize
    }

    async fn rectangle(&mut self) -> Option<Rect> {
        let head = self.try_take(12).await?;
        let numbers = u16s(&head[..8]);
        let rect = Rect {
            x: numbers[0],
            y: numbers[1],
            width: numbers[2],
            height: numbers[3],
            encoding: i32::from_be_bytes(head[8..].try_into().unwrap()),
        };
        match rect.encoding {
            0 => {
                let bytes = self.try_take(rect.width * rect.height * 4).await?;
                let pixels: Vec<u32> = bytes.chunks(4).map(pixel).collect();
                self.paint(rect, &pixels);
            }
            ZRLE => {
                let length = self.u32().await;
                let packed = self.try_take(length).await?;
                let plain = zrle::inflate(&mut self.zlib, &packed);
                self.tiles(rect, &plain);
            }
            DESKTOP_SIZE => self.adopt(vec![rect.width, rect.height]),
            LED_STATE => {
                let lights = self.try_take(1).await?[0];
                self.lights.push(lights);
            }
            EXTENDED => {
                self.try_take(20).await?;
                self.adopt(vec![rect.width, rect.height]);
            }
            other => panic!("encoding {other}"),
        }
        Some(rect)
    }

    fn tiles(&mut self, rect: Rect, plain: &[u8]) {
        let mut bytes = plain.iter().copied();
        for y in (rect.y..rect.y + rect.height).step_by(64) {
            for x in (rect.x..rect.x + rect.width).step_by(64) {
                let tile = Rect {
                    x,
                    y,
                    width: 64.min(rect.x + rect.width - x),
                    height: 64.min(rect.y + rect.height - y),
                    encoding: ZRLE,
                };
                let pixels = zrle::tile(&mut bytes, tile.width, tile.height);
                self.paint(tile, &pixels);
            }
        }
        assert_eq!(bytes.next(), None, "all of it is used");
    }

    fn paint(&mut self, rect: Rect, pixels: &[u32]) {
        for (row, line) in pixels.chunks(rect.width).enumerate() {
            let at = (rect.y + row) * self.width + rect.x;
            self.pixels[at..at + rect.width].copy_from_slice(line);
        }
    }

    pub(super) async fn key(&mut self, keysym: u32, down: bool) {
        let mut message = vec![4, u8::from(down), 0, 0];
        message.extend(keysym.to_be_bytes());
        self.send(&message).await;
    }

    pub(super) async fn text(&mut self, text: &str) {
        for letter in text.chars() {
            let number = u32::from(letter);
            let keysym = match letter {
                '\n' => 0xff0d,
                ' '..='~' | '\u{a0}'..='\u{ff}' => number,
                _ => 0x0100_0000 + number,
            };
            self.key(keysym, true).await;
            self.key(keysym, false).await;
        }
    }

    pub(super) async fn point(&mut self, mask: u16, (x, y): (u16, u16), scroll: (i16, i16)) {
        let mut message = vec![5];
        for number in [mask, x, y, scroll.0 as u16, scroll.1 as u16] {
            message.extend(number.to_be_bytes());
        }
        self.send(&message).await;
    }

    pub(super) async fn click(&mut self, at: (u16, u16)) {
        self.point(1, at, (0, 0)).await;
        self.point(0, at, (0, 0)).await;
    }

    /// Waits until all that was sent has arrived.
    pub(super) async fn settle(&mut self) {
        self.ask_for(false, [0, 0, 1, 1]).await;
        self.updated().await.expect("the connection holds");
    }
}
