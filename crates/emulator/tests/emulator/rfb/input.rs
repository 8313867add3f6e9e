//! The keyboard and the mouse of the client.

use super::Rfb;

impl Rfb {
    pub(in super::super) async fn key(&mut self, keysym: u32, down: bool) {
        let mut message = vec![4, u8::from(down), 0, 0];
        message.extend(keysym.to_be_bytes());
        self.send(&message).await;
    }

    pub(in super::super) async fn text(&mut self, text: &str) {
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

    pub(in super::super) async fn point(
        &mut self,
        mask: u16,
        (x, y): (u16, u16),
        scroll: (i16, i16),
    ) {
        let mut message = vec![5];
        for number in [mask, x, y, scroll.0 as u16, scroll.1 as u16] {
            message.extend(number.to_be_bytes());
        }
        self.send(&message).await;
    }

    pub(in super::super) async fn click(&mut self, at: (u16, u16)) {
        self.point(1, at, (0, 0)).await;
        self.point(0, at, (0, 0)).await;
    }

    /// Waits until all that was sent has arrived.
    pub(in super::super) async fn settle(&mut self) {
        self.ask_for(false, [0, 0, 1, 1]).await;
        self.updated().await.expect("the connection holds");
    }
}
