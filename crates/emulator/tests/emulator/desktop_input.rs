//! Keys, clicks and the wheel, and what they do on the screen.

use std::time::Duration;

use kasm_emulator::{Area, DesktopView};
use serde_json::json;

use super::rfb::{DESKTOP_SIZE, Rfb, ZRLE, cookies};
use super::support::Server;

const CONTROL: u32 = 0xffe3;

struct Screen {
    server: Server,
    kasm_id: String,
    token: String,
    client: Rfb,
}

impl Screen {
    async fn new() -> Self {
        let server = Server::start().await;
        let (kasm_id, token, _) = server.session().await;
        let mut client = Rfb::connect(&server, &kasm_id, &token).await;
        client.encodings(&[ZRLE, DESKTOP_SIZE]).await;
        client.update(false).await;
        Self {
            server,
            kasm_id,
            token,
            client,
        }
    }

    fn view(&self) -> DesktopView {
        self.server.desktop(&self.kasm_id).unwrap()
    }

    async fn another(&self) -> Rfb {
        Rfb::connect(&self.server, &self.kasm_id, &self.token).await
    }

    /// What the client sees of an area now.
    async fn seen(&mut self, area: Area) -> Vec<u32> {
        let wanted = [area.x, area.y, area.width, area.height];
        self.client.ask_for(false, wanted).await;
        self.client.updated().await.unwrap();
        let rows = self.client.pixels.chunks(self.client.width);
        let rows = rows.skip(area.y.into()).take(area.height.into());
        let (left, right) = (usize::from(area.x), usize::from(area.x + area.width));
        rows.flat_map(|row| row[left..right].to_vec()).collect()
    }
}

#[tokio::test]
async fn typed_text_shows_on_the_screen() {
    let mut screen = Screen::new().await;
    let view = screen.view();
    let text = "Hello, World! {~}\nzwei\näß€漢🙂";
    let before = screen.seen(view.terminal_area).await;
    screen.client.text(text).await;
    let typed = screen.seen(view.terminal_area).await;
    assert!(typed != before);
    assert_eq!(screen.view().typed, text);
    assert_eq!(screen.view().terminal, text);
    // One letter for another is another picture.
    screen.client.key(0xff08, true).await;
    screen.client.key(0xff08, false).await;
    screen.client.text("🙃").await;
    assert!(screen.seen(view.terminal_area).await != typed);
    let keys = screen.view().keys;
    assert_eq!(keys[..2], [(0x48, true), (0x48, false)]);
    screen.client.key(CONTROL, true).await;
    screen.client.text("l").await;
    screen.client.key(CONTROL, false).await;
    assert!(screen.seen(view.terminal_area).await == before);
    screen.client.text("l").await;
    screen.client.settle().await;
    assert_eq!(screen.view().terminal, "l");
}

#[tokio::test]
async fn long_text_scrolls_in_the_terminal() {
    let mut screen = Screen::new().await;
    let area = screen.view().terminal_area;
    let text: String = (0..100)
        .map(|n| format!("line {n} {}\n", "x".repeat(n)))
        .collect();
    screen.client.text(&text).await;
    let one = screen.seen(area).await;
    assert_eq!(screen.view().terminal, text);
    screen.client.text("!").await;
    assert!(screen.seen(area).await != one);
}

#[tokio::test]
async fn click_moves_the_text_focus() {
    let mut screen = Screen::new().await;
    let view = screen.view();
    let empty = screen.seen(view.field_area).await;
    screen.client.click(view.field_area.middle()).await;
    screen.client.text("field\n").await;
    let filled = screen.seen(view.field_area).await;
    assert!(filled != empty);
    screen.client.click(view.terminal_area.middle()).await;
    screen.client.text("terminal").await;
    screen.client.settle().await;
    let view = screen.view();
    assert_eq!(
        (view.field.as_str(), view.terminal.as_str()),
        ("field", "terminal")
    );
    screen.client.click(view.field_area.middle()).await;
    screen.client.key(CONTROL, true).await;
    screen.client.key(0x6c, true).await;
    screen.client.settle().await;
    assert_eq!(screen.view().field, "");
}

#[tokio::test]
async fn left_click_toggles_the_button() {
    let mut screen = Screen::new().await;
    let button = screen.view().button_area;
    let off = screen.seen(button).await;
    screen.client.click(button.middle()).await;
    screen.client.point(0, (0, 0), (0, 0)).await;
    let on = screen.seen(button).await;
    assert!(on != off);
    assert!(screen.view().button_on);
    // Only the left button, and only if it is let go where it went down.
    screen.client.point(4, button.middle(), (0, 0)).await;
    screen.client.point(0, button.middle(), (0, 0)).await;
    screen.client.point(1, button.middle(), (0, 0)).await;
    screen.client.point(0, (5, 5), (0, 0)).await;
    assert!(screen.seen(button).await == on);
    let clicks: Vec<_> = screen
        .view()
        .clicks
        .iter()
        .map(|c| (c.button, c.to))
        .collect();
    assert_eq!(
        clicks,
        [(1, button.middle()), (3, button.middle()), (1, (5, 5))]
    );
    screen.client.click((9_999, 9_999)).await;
    screen.client.settle().await;
    assert_eq!(screen.view().pointer, (1279, 719));
}

#[tokio::test]
async fn list_scrolls_by_wheel_buttons_and_scroll_fields() {
    let mut screen = Screen::new().await;
    let area = screen.view().list_area;
    let top = screen.seen(area).await;
    let at = area.middle();
    for (mask, scroll, row) in [
        (16, (0, 0), 3),
        (0, (0, 49), 3),
        (0, (0, 1), 6),
        (0, (0, 120), 12),
        (8, (0, 0), 9),
        (0, (0, -500), 0),
        // No more than 24 clicks come of one event.
        (0, (0, 30_000), 72),
        (64, (50, 0), 72),
        (0, (0, -30_000), 0),
    ] {
        screen.client.point(mask, at, scroll).await;
        screen.client.point(0, at, (0, 0)).await;
        screen.client.settle().await;
        assert_eq!(screen.view().scrolled, row, "{mask} {scroll:?}");
        let seen = screen.seen(area).await;
        let pointer_is_there = top.iter().zip(&seen).filter(|(a, b)| a != b).count() < 300;
        assert_eq!(pointer_is_there, row == 0);
    }
    screen.client.point(16, (5, 5), (0, 0)).await;
    screen.client.settle().await;
    assert_eq!(screen.view().scrolled, 0, "only over the list");
}

#[tokio::test]
async fn box_moves_with_a_drag() {
    let mut screen = Screen::new().await;
    let start = screen.view().box_area;
    let (x, y) = start.middle();
    screen.client.point(1, (x, y), (0, 0)).await;
    for step in 1..=20 {
        screen
            .client
            .point(1, (x + 10 * step, y - 5 * step), (0, 0))
            .await;
    }
    screen.client.point(0, (x + 200, y - 100), (0, 0)).await;
    screen.client.point(0, (0, 0), (0, 0)).await;
    screen.client.settle().await;
    let there = screen.seen(screen.view().box_area).await;
    let now = screen.view().box_area;
    assert_eq!((now.x, now.y), (start.x + 200, start.y - 100));
    assert!(
        there.iter().any(|pixel| *pixel != there[0]),
        "with its border"
    );
}

#[tokio::test]
async fn input_on_its_way_is_lost_at_disconnect() {
    let mut screen = Screen::new().await;
    screen
        .server
        .configure(|profile| profile.input_time = Duration::from_millis(200));
    let mut hasty = screen.another().await;
    hasty.text("lost").await;
    drop(hasty);
    let mut careful = screen.another().await;
    careful.text("kept").await;
    careful.settle().await;
    drop(careful);
    screen.client.text("!").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(screen.view().typed, "kept!");
}

#[tokio::test]
async fn disconnect_releases_keys_but_not_buttons() {
    let mut screen = Screen::new().await;
    let mut other = screen.another().await;
    other.key(CONTROL, true).await;
    other.point(1, (300, 300), (0, 0)).await;
    other.settle().await;
    // Whoever holds a button has the pointer for itself.
    screen.client.point(0, (10, 10), (0, 0)).await;
    screen.client.settle().await;
    assert_eq!(screen.view().pointer, (300, 300));
    drop(other);
    while screen.view().viewers > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(screen.view().buttons, 1);
    assert_eq!(screen.view().keys.last(), Some(&(CONTROL, false)));
    screen.client.text("l").await;
    screen.client.point(0, (10, 10), (0, 0)).await;
    screen.client.settle().await;
    let view = screen.view();
    assert_eq!(
        (view.terminal.as_str(), view.buttons, view.pointer),
        ("l", 0, (10, 10))
    );
}

#[tokio::test]
async fn burst_of_unmapped_letters_is_typed_wrong() {
    let mut screen = Screen::new().await;
    let pace = |ms| {
        let pace = Some(Duration::from_millis(ms));
        move |profile: &mut kasm_emulator::Profile| profile.key_pace = pace
    };
    screen.server.configure(pace(5_000));
    let text: String = ('一'..).take(40).collect();
    // Before the first character that the keyboard lacks it has to be in use.
    screen.client.key(0xffe1, true).await;
    screen.client.key(0xffe1, false).await;
    screen.client.text(&text).await;
    screen.client.settle().await;
    let typed = screen.view().typed;
    assert_eq!(typed.chars().count(), 40);
    assert!(typed.starts_with(&text[..3 * 24]) && typed != text);
    screen.server.configure(pace(15));
    for letter in text.chars() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        screen.client.text(&letter.to_string()).await;
    }
    let latin: String = (' '..='~').collect();
    screen.client.text(&latin).await;
    screen.client.settle().await;
    assert_eq!(screen.view().typed, typed + &text + &latin);
}

#[tokio::test]
async fn pointer_message_of_six_bytes_breaks_the_stream() {
    let mut screen = Screen::new().await;
    screen.client.send(&[5, 1, 0, 10, 0, 10]).await;
    screen.client.ask(false).await;
    let news = tokio::time::timeout(Duration::from_millis(300), screen.client.updated()).await;
    assert!(news.map_or(true, |update| update.is_none()));
}

#[tokio::test]
async fn shared_viewer_sees_but_cannot_type() {
    let server = Server::start().await;
    let fields = json!({
        "image_id": server.image_id(), "user_id": server.user_id(), "enable_sharing": true,
    });
    let shared = server.get("request_kasm", fields).await;
    let kasm_id = shared["kasm_id"].as_str().unwrap();
    let fields = json!({"share_id": shared["share_id"], "user_id": server.other_user_id()});
    let joined = server.get("join_kasm", fields).await;
    let token = joined["session_token"].as_str().unwrap();
    let cookies = cookies(token).replace("demo@", "user@");
    let mut guest = Rfb::connect_as(&server, kasm_id, &cookies, true).await;
    guest.update(false).await;
    let before = guest.pixels.clone();
    guest.text("nothing").await;
    guest.click((300, 300)).await;
    guest.update(false).await;
    assert!(guest.pixels == before);
    let view = server.desktop(kasm_id).unwrap();
    assert_eq!((view.typed.as_str(), view.clicks.len()), ("", 0));
}

#[tokio::test]
async fn get_kasm_screenshot_exists_only_after_a_viewer() {
    let server = Server::start().await;
    server.configure(|profile| profile.screenshot = kasm_emulator::ScreenshotMode::None);
    let (kasm_id, token, _) = server.session().await;
    let fields = || {
        let mut fields = server.of(&kasm_id);
        fields["width"] = 300.into();
        fields["height"] = 300.into();
        fields
    };
    server.fails("get_kasm_screenshot", fields()).await;
    let mut client = Rfb::connect(&server, &kasm_id, &token).await;
    client.settle().await;
    let reply = server.call("get_kasm_screenshot", fields()).await;
    assert_eq!((reply.status, reply.kind.as_str()), (200, "image/jpeg"));
    drop(client);
    while server.desktop(&kasm_id).unwrap().viewers > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.fails("get_kasm_screenshot", fields()).await;
}

#[tokio::test]
async fn get_kasm_screenshot_is_the_last_viewed_screen() {
    let mut screen = Screen::new().await;
    let (kasm_id, button) = (screen.kasm_id.clone(), screen.view().button_area);
    let fields = |server: &Server| {
        let mut fields = server.of(&kasm_id);
        fields["width"] = 640.into();
        fields["height"] = 640.into();
        fields
    };
    let shot = async |server: &Server| {
        let reply = server.call("get_kasm_screenshot", fields(server)).await;
        assert_eq!(reply.kind, "image/jpeg");
        reply.body
    };
    let watched = shot(&screen.server).await;
    screen.client.click(button.middle()).await;
    screen.client.update(false).await;
    let clicked = shot(&screen.server).await;
    assert!(clicked != watched);
    let Screen { server, client, .. } = screen;
    drop(client);
    while server.desktop(&kasm_id).unwrap().viewers > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Nobody watches any more, so nothing is new.
    assert!(server.resize_desktop(&kasm_id, (800, 400)));
    assert!(shot(&server).await == clicked);
    server.configure(|profile| profile.screenshot = kasm_emulator::ScreenshotMode::Fresh);
    assert!(shot(&server).await != clicked);
}
