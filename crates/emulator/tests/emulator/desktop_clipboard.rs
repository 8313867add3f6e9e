//! The clipboard, both ways.

use super::rfb::Rfb;
use super::support::Server;

const CONTROL: u32 = 0xffe3;

struct Board {
    server: Server,
    kasm_id: String,
    token: String,
}

impl Board {
    async fn new() -> Self {
        let server = Server::start().await;
        let (kasm_id, token, _) = server.session().await;
        Self {
            server,
            kasm_id,
            token,
        }
    }

    async fn client(&self) -> Rfb {
        Rfb::connect(&self.server, &self.kasm_id, &self.token).await
    }

    fn text(&self) -> Option<String> {
        self.server.desktop(&self.kasm_id).unwrap().clipboard
    }

    fn terminal(&self) -> String {
        self.server.desktop(&self.kasm_id).unwrap().terminal
    }
}

async fn bring(client: &mut Rfb, contents: &[(&str, &[u8])]) {
    let mut message = vec![180, contents.len() as u8];
    for (kind, data) in contents {
        message.push(kind.len() as u8);
        message.extend(kind.bytes());
        message.extend((data.len() as u32).to_be_bytes());
        message.extend(*data);
    }
    for part in message.chunks(60_000) {
        client.send(part).await;
    }
    client.settle().await;
}

async fn with_control(client: &mut Rfb, letter: &str) {
    client.key(CONTROL, true).await;
    client.text(letter).await;
    client.key(CONTROL, false).await;
    client.settle().await;
}

#[tokio::test]
async fn clipboard_from_client_is_pasted() {
    let board = Board::new().await;
    let mut client = board.client().await;
    bring(&mut client, &[("text/plain", "Grüße\n漢".as_bytes())]).await;
    assert_eq!(board.text().as_deref(), Some("Grüße\n漢"));
    with_control(&mut client, "v").await;
    assert_eq!(board.terminal(), "Grüße\n漢");
    let large = "x".repeat(200_000);
    let page = [("text/html", &b"<b>"[..]), ("text/plain", large.as_bytes())];
    bring(&mut client, &page).await;
    assert!(board.text() == Some(large));
    bring(&mut client, &[("text/plain;charset=utf-8", b"whole")]).await;
    assert_eq!(board.text().as_deref(), Some("w"));
    let mut other = board.client().await;
    drop(client);
    while board.server.desktop(&board.kasm_id).unwrap().viewers > 1 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(board.text(), None);
    with_control(&mut other, "lv").await;
    assert_eq!(board.terminal(), "");
}

#[tokio::test]
async fn clipboard_from_desktop_reaches_every_client() {
    let board = Board::new().await;
    let mut clients = [board.client().await, board.client().await];
    for client in &mut clients {
        client.settle().await;
    }
    assert!(board.server.copy_on_desktop(&board.kasm_id, "kopiert €"));
    for client in &mut clients {
        assert_eq!(client.told(180).await, "kopiert €".as_bytes());
    }
    let [mut one, mut two] = clients;
    one.text("typed").await;
    with_control(&mut one, "c").await;
    assert_eq!(two.told(180).await, b"typed");
    drop((one, two));
    assert_eq!(
        board.text().as_deref(),
        Some("typed"),
        "it is the desktop's own"
    );
}

#[tokio::test]
async fn clipboard_forbidden_by_group_does_not_pass() {
    let board = Board::new().await;
    let mut client = board.client().await;
    board.server.configure(|profile| {
        profile.clipboard_up_allowed = false;
        profile.clipboard_down_allowed = false;
    });
    bring(&mut client, &[("text/plain", b"up")]).await;
    assert_eq!(board.text(), None);
    assert!(board.server.copy_on_desktop(&board.kasm_id, "down"));
    client.settle().await;
    client.settle().await;
    assert!(client.unasked.iter().all(|(kind, _)| *kind != 180));
    // The old message is read over.
    client
        .send(&[6, 0, 0, 0, 0, 0, 0, 3, b'o', b'l', b'd'])
        .await;
    client.settle().await;
    assert_eq!(board.text().as_deref(), Some("down"));
}
