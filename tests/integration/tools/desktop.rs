//! The desktop of a session: what is on it, mouse, keyboard and clipboard.

mod connection;
mod hands;
mod hostile;
mod keyboard;
mod looks;
mod pointer;

use data_encoding::BASE64;
use image::RgbImage;
use kasm_emulator::DesktopView;
use serde_json::{Value, json};

use crate::support::{TestServer, rpc};

/// A picture that came with a reply.
pub struct Shown {
    pub reply: Value,
    pub media_type: String,
    pub bytes: Vec<u8>,
}

impl Shown {
    pub fn image(&self) -> RgbImage {
        image::load_from_memory(&self.bytes).unwrap().into_rgb8()
    }

    pub fn frame_id(&self) -> String {
        let id = &self.reply["data"]["frame"]["frame_id"];
        id.as_str()
            .unwrap_or_else(|| panic!("{}", self.reply))
            .to_owned()
    }
}

impl TestServer {
    /// Calls a tool and returns its reply with the picture, if it shows one.
    pub async fn shows(&self, tool: &str, arguments: Value) -> (Value, Option<Shown>) {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = self.post(&rpc("tools/call", params)).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        let reply = answer["result"]["structuredContent"].take();
        let content = answer["result"]["content"].as_array().unwrap().clone();
        let image = content.into_iter().find(|block| block["type"] == "image");
        let shown = image.map(|image| Shown {
            reply: reply.clone(),
            media_type: image["mimeType"].as_str().unwrap().to_owned(),
            bytes: BASE64
                .decode(image["data"].as_str().unwrap().as_bytes())
                .unwrap(),
        });
        (reply, shown)
    }

    /// Looks at the screen.
    pub async fn screen(&self, kasm_id: &str) -> Shown {
        let args = json!({ "kasm_id": kasm_id });
        let (reply, shown) = self.shows("get_session_screenshot", args).await;
        shown.unwrap_or_else(|| panic!("{reply}"))
    }

    /// Does something on the desktop and returns what is on it afterwards.
    pub async fn hands(&self, kasm_id: &str, frame_id: &str, actions: Value) -> Shown {
        let args = json!({ "kasm_id": kasm_id, "frame_id": frame_id, "actions": actions });
        let (reply, shown) = self.shows("control_desktop", args).await;
        assert_eq!(reply["success"], true, "{reply}");
        shown.unwrap_or_else(|| panic!("{reply}"))
    }

    /// What the emulator knows of the desktop.
    pub fn desktop(&self, kasm_id: &str) -> DesktopView {
        self.emulator.desktop(kasm_id).unwrap()
    }
}

/// The colour of the pixel at a place.
pub fn pixel(image: &RgbImage, (x, y): (u16, u16)) -> [u8; 3] {
    image.get_pixel(x.into(), y.into()).0
}
