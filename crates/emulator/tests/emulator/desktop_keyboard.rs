//! The keyboard: locks, levels, and characters that it lacks.

use kasm_emulator::{DesktopView, KeyboardLayout, ModifierMask};

use super::rfb::{DESKTOP_SIZE, LED_STATE, Rfb, ZRLE};
use super::support::Server;

const SHIFT: u32 = 0xffe1;
const CONTROL: u32 = 0xffe3;
const CAPS_LOCK: u32 = 0xffe5;

struct Typist {
    server: Server,
    kasm_id: String,
    client: Rfb,
}

impl Typist {
    /// One that has typed already, so that its keyboard is the one in use.
    async fn new(encodings: &[i32]) -> Self {
        let mut typist = Self::fresh(encodings).await;
        typist.tap(SHIFT).await;
        typist
    }

    async fn fresh(encodings: &[i32]) -> Self {
        let server = Server::start().await;
        let (kasm_id, token, _) = server.session().await;
        let mut client = Rfb::connect(&server, &kasm_id, &token).await;
        client.encodings(encodings).await;
        client.update(false).await;
        Self {
            server,
            kasm_id,
            client,
        }
    }

    /// One that is not told of the locks.
    async fn plain() -> Self {
        Self::new(&[ZRLE, DESKTOP_SIZE]).await
    }

    async fn that_knows_locks() -> Self {
        Self::new(&[ZRLE, DESKTOP_SIZE, LED_STATE]).await
    }

    async fn tap(&mut self, keysym: u32) {
        self.client.key(keysym, true).await;
        self.client.key(keysym, false).await;
    }

    /// What was received of a text, and whether Caps Lock is on then.
    async fn receives(&mut self, text: &str) -> (String, bool) {
        let before = self.view().typed.len();
        self.client.text(text).await;
        self.client.settle().await;
        let view = self.view();
        let locked = view.keyboard_state.has(ModifierMask::LOCK);
        (view.typed[before..].to_owned(), locked)
    }

    fn view(&self) -> DesktopView {
        self.server.desktop(&self.kasm_id).unwrap()
    }
}

#[tokio::test]
async fn a_capital_without_shift_switches_caps_lock_and_leaves_it_on() {
    let mut typist = Typist::plain().await;
    assert_eq!(typist.receives("README").await, ("README".into(), true));
    // The next small letter switches it off again; a letter beyond the layout is raised by it, and one that has
    // no capital is lost.
    assert_eq!(typist.receives("mc").await, ("mc".into(), false));
    assert_eq!(typist.receives("Aя漢ßb").await, ("AЯ漢b".into(), false));
    typist.client.key(SHIFT, true).await;
    assert_eq!(typist.receives("ABC").await, ("ABC".into(), false));
    // A small letter with Shift down means the same as a capital without it.
    assert_eq!(typist.receives("a").await, ("a".into(), true));
    typist.client.key(SHIFT, false).await;
}

#[tokio::test]
async fn a_client_that_is_told_of_the_locks_switches_none() {
    let mut typist = Typist::that_knows_locks().await;
    assert_eq!(typist.client.lights, [0]);
    assert_eq!(typist.receives("README a").await.0, "README a");
    typist.tap(CAPS_LOCK).await;
    typist.client.settle().await;
    assert_eq!(typist.client.lights, [0, 4]);
    // Shift is pressed for a moment where the lock is wrong; what the layout lacks is raised all the same.
    assert_eq!(
        typist.receives("Read me: яß").await,
        ("Read me: Я".into(), true)
    );
    assert!(typist.server.set_num_lock(&typist.kasm_id, true));
    typist.client.settle().await;
    assert_eq!(typist.client.lights, [0, 4, 6]);
    typist.tap(CAPS_LOCK).await;
    assert_eq!(typist.receives("яß").await, ("яß".into(), false));
}

#[tokio::test]
async fn the_first_character_that_the_keyboard_lacks_is_lost_after_another_keyboard() {
    let mut typist = Typist::fresh(&[ZRLE, DESKTOP_SIZE]).await;
    assert_eq!(typist.receives("été").await.0, "té");
    assert_eq!(typist.receives("été").await.0, "été");
    assert!(typist.server.type_by_program(&typist.kasm_id, "x"));
    assert_eq!(typist.receives("été").await.0, "té");
    typist.server.type_by_program(&typist.kasm_id, "x");
    // To let a key go that is not down is no event.
    typist.client.key(SHIFT, false).await;
    assert_eq!(typist.receives("漢字").await.0, "字");
    typist.server.type_by_program(&typist.kasm_id, "x");
    typist.tap(SHIFT).await;
    assert_eq!(typist.receives("漢字").await.0, "漢字");
    typist
        .server
        .configure(|profile| profile.other_keyboard_busy = true);
    assert_eq!(typist.receives("漢字é").await.0, "漢é");
}

#[tokio::test]
async fn shift_is_let_go_for_a_sign_that_is_not_on_its_level() {
    let mut typist = Typist::that_knows_locks().await;
    for key in [CONTROL, SHIFT] {
        typist.client.key(key, true).await;
    }
    for sign in ["1", "!", "T"] {
        typist.client.text(sign).await;
    }
    for key in [SHIFT, CONTROL] {
        typist.client.key(key, false).await;
    }
    typist.client.settle().await;
    let strokes = typist.view().strokes;
    let seen: Vec<_> = strokes.iter().rev().take(3).rev().collect();
    let both = ModifierMask::CONTROL.with(ModifierMask::SHIFT);
    let expected = [(0x31, ModifierMask::CONTROL), (0x21, both), (0x54, both)];
    assert_eq!(seen.len(), 3);
    for (stroke, expected) in seen.into_iter().zip(expected) {
        assert_eq!((stroke.keysym, stroke.state), expected);
    }
    assert_eq!(typist.view().keyboard_state, ModifierMask::NONE);
}

#[tokio::test]
async fn a_german_keyboard_has_its_signs_at_other_levels() {
    let mut typist = Typist::that_knows_locks().await;
    typist
        .server
        .configure(|profile| profile.keyboard_layout = KeyboardLayout::De);
    let text = "/\"@{[]}\\|~<>äöüÄÖÜß?#'^`´€z";
    assert_eq!(typist.receives(text).await.0, text);
    let view = typist.view();
    let state_of = |sign: char| {
        let stroke = view
            .strokes
            .iter()
            .find(|stroke| stroke.keysym == u32::from(sign));
        stroke.unwrap().state
    };
    assert_eq!(state_of('/'), ModifierMask::SHIFT);
    assert_eq!(state_of('@'), ModifierMask::LEVEL_THREE);
    assert_eq!(state_of('Ä'), ModifierMask::SHIFT);
    // It has no key of its own, and a spare one has one level.
    assert_eq!(state_of('^'), ModifierMask::NONE);
}

#[tokio::test]
async fn clicks_come_with_what_is_held() {
    let mut typist = Typist::plain().await;
    typist.client.key(CONTROL, true).await;
    typist.client.click((300, 300)).await;
    typist.client.key(CONTROL, false).await;
    typist.client.click((300, 300)).await;
    typist.client.settle().await;
    let states: Vec<_> = typist
        .view()
        .clicks
        .iter()
        .map(|click| click.state)
        .collect();
    assert_eq!(states, [ModifierMask::CONTROL, ModifierMask::NONE]);
}
