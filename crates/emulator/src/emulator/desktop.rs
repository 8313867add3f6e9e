//! What a test sees of the desktops, and does to them.

use std::sync::Arc;

use super::Emulator;
use crate::desktop::keyboard::Keyboard;
use crate::desktop::{Desktop, scene};
use crate::record::DesktopView;

impl Emulator {
    /// The desktop of a session. Nothing if nobody was there yet.
    #[must_use]
    pub fn desktop(&self, kasm_id: &str) -> Option<DesktopView> {
        let desktop = self.known_desktop(kasm_id)?;
        let (viewers, connections) = desktop.counts();
        Some(desktop.look(|scene| DesktopView {
            size: scene.size(),
            viewers,
            connections,
            typed: scene.typed.clone(),
            keys: scene.keys.clone(),
            strokes: scene.strokes.clone(),
            keyboard_state: scene.keyboard.state(),
            clicks: scene.clicks.clone(),
            pointer: scene.pointer,
            buttons: scene.buttons,
            terminal: scene.terminal.clone(),
            field: scene.field.clone(),
            button_on: scene.button_on,
            scrolled: scene.scrolled,
            clipboard: scene.clipboard().map(str::to_owned),
            terminal_area: scene::TERMINAL,
            field_area: scene::FIELD,
            button_area: scene::BUTTON,
            list_area: scene::LIST,
            box_area: scene.dragged,
            stage_area: scene::STAGE,
        }))
    }

    /// Gives a screen another size, as a browser that connects does. False if
    /// there is no such desktop.
    pub fn resize_desktop(&self, kasm_id: &str, size: (u16, u16)) -> bool {
        let desktop = self.known_desktop(kasm_id);
        desktop.map(|desktop| desktop.resize(size, None)).is_some()
    }

    /// Copies text as a program on the desktop does. False if there is no such
    /// desktop.
    pub fn copy_on_desktop(&self, kasm_id: &str, text: &str) -> bool {
        let copy = |desktop: Arc<Desktop>| {
            desktop.change(|scene| {
                scene.copy(text.to_owned());
                false
            });
        };
        self.known_desktop(kasm_id).map(copy).is_some()
    }

    /// Switches Caps Lock. False if there is no such desktop.
    pub fn set_caps_lock(&self, kasm_id: &str, on: bool) -> bool {
        self.use_keyboard(kasm_id, |keyboard| keyboard.set_caps_lock(on))
    }

    /// Switches Num Lock. False if there is no such desktop.
    pub fn set_num_lock(&self, kasm_id: &str, on: bool) -> bool {
        self.use_keyboard(kasm_id, |keyboard| keyboard.set_num_lock(on))
    }

    /// Types as a program on the desktop does that has a keyboard device of its own (xdotool). False if there is
    /// no such desktop.
    pub fn type_by_program(&self, kasm_id: &str, text: &str) -> bool {
        let desktop = self.known_desktop(kasm_id);
        let typed = desktop.map(|desktop| desktop.change(|scene| scene.type_by_other(text)));
        typed.is_some()
    }

    fn use_keyboard(&self, kasm_id: &str, turn: impl FnOnce(&mut Keyboard)) -> bool {
        let desktop = self.known_desktop(kasm_id);
        let turned = desktop.map(|desktop| {
            desktop.change(|scene| {
                turn(&mut scene.keyboard);
                true
            });
        });
        turned.is_some()
    }

    /// Cuts all connections to a desktop. False if there is no such desktop.
    pub fn cut_desktop(&self, kasm_id: &str) -> bool {
        let desktop = self.known_desktop(kasm_id);
        desktop.map(|desktop| desktop.hang_up()).is_some()
    }

    fn known_desktop(&self, kasm_id: &str) -> Option<Arc<Desktop>> {
        let mut state = self.kasm.lock();
        let id = state.container_id(kasm_id)?;
        state.desktops.known(id)
    }
}
