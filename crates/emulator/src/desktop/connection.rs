//! One client, from its handshake to its end.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::keyboard::KeyEvent;
use super::message::{self, Message};
use super::scene::Input;
use super::socket::Socket;
use super::viewer::Viewer;
use super::{Desktop, Event, handshake, hostile};
use crate::id::Id;
use crate::server::Kasm;

/// What everybody is called where nobody logs in by name.
const NAME: &str = "username_unavailable";
/// How often a scene that moves by itself is looked at.
const TICK: Duration = Duration::from_millis(100);
/// The longest message of a client.
const MESSAGE_MAX: usize = 64 << 20;

/// Who is connected where.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) kasm: Kasm,
    pub(super) kasm_id: Id,
    pub(super) desktop: Arc<Desktop>,
    pub(super) id: u64,
    /// It may look and nothing else.
    pub(super) is_viewer: bool,
}

impl Guest {
    fn address(&self) -> String {
        format!("127.0.0.1:{}", 40_000 + self.id)
    }

    /// Whoever watches keeps the picture of the API fresh.
    fn is_seen(&self) {
        let mut state = self.kasm.lock();
        if let Some(session) = state.session_mut(self.kasm_id) {
            session.viewers.push(self.address());
            session.pictured = Some(Timestamp::now());
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let address = self.address();
        if let Some(session) = self.kasm.lock().session_mut(self.kasm_id) {
            session.viewers.retain(|viewer| *viewer != address);
        }
        self.desktop.leave(self.id);
    }
}

/// Serves a client to its end.
pub(super) async fn serve(
    guest: &Guest,
    mut socket: Socket,
    told: mpsc::UnboundedReceiver<Event>,
) -> io::Result<()> {
    let (security, fault, challenge) = {
        let mut state = guest.kasm.lock();
        let challenge = u128::from(state.random.next()) << 64 | u128::from(state.random.next());
        let profile = &state.profile;
        let challenge = challenge.to_be_bytes();
        (profile.desktop_security, profile.desktop_fault, challenge)
    };
    let shares = handshake::shake(&mut socket, security, challenge).await?;
    let size = guest.desktop.look(|scene| scene.size());
    socket.send(&hostile::server_init(size, fault)).await?;
    guest.is_seen();
    let changes = guest.desktop.watch();
    guest.desktop.enter(guest.id, NAME, shares);
    let talk = Talk {
        guest,
        socket,
        told,
        changes,
        viewer: Viewer::new(size),
        pending: VecDeque::new(),
    };
    talk.go_on().await
}

/// A client after its handshake.
#[derive(Debug)]
struct Talk<'a> {
    guest: &'a Guest,
    socket: Socket,
    told: mpsc::UnboundedReceiver<Event>,
    changes: watch::Receiver<u64>,
    viewer: Viewer,
    /// Input on its way, and when it arrives.
    pending: VecDeque<(Instant, Input)>,
}

impl Talk<'_> {
    async fn go_on(mut self) -> io::Result<()> {
        loop {
            while let Some(message) = self.next_message()? {
                self.heed(message).await?;
            }
            // Of another size before any pixels of it.
            while let Ok(event) = self.told.try_recv() {
                self.tell(event).await?;
            }
            self.answer().await?;
            let arrives = self.pending.front().map(|(at, _)| *at);
            let arrival = async {
                match arrives {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                more = self.socket.fill() => if !more {
                    return Ok(());
                },
                event = self.told.recv() => match event {
                    None => return Ok(()),
                    Some(event) => self.tell(event).await?,
                },
                // It only says that there may be something to answer.
                _ = self.changes.changed() => {}
                () = arrival => self.arrive(Some(Instant::now())),
                () = sleep(TICK) => self.tick(),
            }
        }
    }

    fn next_message(&mut self) -> io::Result<Option<Message>> {
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        let message = message::next(&mut self.socket.inbox).map_err(|_| broken())?;
        if message.is_none() && self.socket.inbox.len() > MESSAGE_MAX {
            return Err(broken());
        }
        Ok(message)
    }

    async fn heed(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::SetPixelFormat(format) => self.viewer.set_format(format),
            Message::SetEncodings(encodings) => {
                let said = self.viewer.set_encodings(encodings);
                self.socket.send(&said).await?;
            }
            Message::UpdateRequest { incremental, area } => {
                // A round trip proves that what came before has arrived.
                self.arrive(None);
                self.viewer.want(incremental, area);
            }
            Message::Key { down, keysym } => {
                let event = self.key_event(down, keysym);
                self.send_in(Input::Key(event));
            }
            Message::Pointer { mask, x, y, scroll } => {
                self.send_in(Input::Pointer { mask, x, y, scroll });
            }
            Message::SetDesktopSize(width, height) => {
                let by = Some(self.guest.id);
                self.guest.desktop.resize((width, height), by);
            }
            Message::Clipboard(contents) => self.paste_in(&contents),
            Message::Nothing => {}
        }
        Ok(())
    }

    fn key_event(&self, down: bool, keysym: u32) -> KeyEvent {
        let profile = &self.guest.kasm.lock().profile;
        KeyEvent {
            down,
            keysym,
            knows_locks: self.viewer.knows_locks(),
            layout: profile.keyboard_layout,
            pace: profile.key_pace,
            at: Instant::now(),
            other_is_busy: profile.other_keyboard_busy,
        }
    }

    /// Input sets out; whoever may only look has none.
    fn send_in(&mut self, input: Input) {
        if !self.guest.is_viewer {
            let time = self.guest.kasm.lock().profile.input_time;
            self.pending.push_back((Instant::now() + time, input));
        }
    }

    /// The clipboard of the client becomes the desktop's, as long as the client
    /// is there.
    fn paste_in(&self, contents: &[(String, Vec<u8>)]) {
        let allowed = self.guest.kasm.lock().profile.clipboard_up_allowed;
        if self.guest.is_viewer || !allowed {
            return;
        }
        for (kind, data) in contents {
            let data = match kind.as_str() {
                "text/plain" => data.as_slice(),
                // The real one takes the type for something else.
                "text/plain;charset=utf-8" => data.get(..1).unwrap_or_default(),
                _ => continue,
            };
            let text = String::from_utf8_lossy(data).into_owned();
            let id = self.guest.id;
            self.guest.desktop.change(|scene| scene.bring(id, text));
        }
    }

    /// Input arrives: what is due by then, or all of it.
    fn arrive(&mut self, by: Option<Instant>) {
        while let Some((at, input)) = self.pending.front() {
            if by.is_some_and(|by| *at > by) {
                return;
            }
            let id = self.guest.id;
            self.guest.desktop.change(|scene| scene.take(id, input));
            self.pending.pop_front();
        }
    }

    fn tick(&self) {
        let (blinks, moves) = {
            let profile = &self.guest.kasm.lock().profile;
            (profile.cursor_blinks, profile.desktop_animated)
        };
        self.guest.desktop.change(|scene| scene.tick(blinks, moves));
    }

    async fn tell(&mut self, event: Event) -> io::Result<()> {
        let named = |kind: u8, name: &str| {
            let length = u32::try_from(name.len()).unwrap_or(0).to_be_bytes();
            [&[kind][..], &length, name.as_bytes()].concat()
        };
        match event {
            Event::Joined(name) => self.socket.send(&named(253, &name)).await,
            Event::Left(name) => self.socket.send(&named(254, &name)).await,
            Event::Copied { number, text } => {
                if !self.guest.kasm.lock().profile.clipboard_down_allowed {
                    return Ok(());
                }
                let kind = b"text/plain";
                let mut message = vec![180, 1];
                message.extend(number.to_be_bytes());
                message.push(u8::try_from(kind.len()).unwrap_or(0));
                message.extend(kind);
                message.extend(u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
                message.extend(text.bytes());
                self.socket.send(&message).await
            }
            Event::StatsAsked => self.socket.send(&[179]).await,
            Event::Resized { mine } => {
                let told = self.viewer.resize(mine);
                told.map_err(|_| io::ErrorKind::ConnectionAborted.into())
            }
            Event::Bye => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    async fn answer(&mut self) -> io::Result<()> {
        if !self.viewer.is_waiting() {
            return Ok(());
        }
        let frame = self.guest.desktop.frame();
        let fault = self.guest.kasm.lock().profile.desktop_fault;
        if let Some(fault) = fault {
            return hostile::answer(fault, &mut self.socket, &mut self.viewer, &frame).await;
        }
        let lights = self.guest.desktop.look(|scene| scene.keyboard.lights());
        self.viewer.see_lights(lights);
        match self.viewer.answer(&frame) {
            Some(update) => {
                self.guest.desktop.keep(frame);
                self.socket.send(&update).await
            }
            None => Ok(()),
        }
    }
}
