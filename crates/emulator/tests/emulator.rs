//! The server over real HTTP on loopback. One file for each thing a client has
//! to get right.

#[cfg(test)]
#[path = "emulator"]
mod tests {
    mod checks;
    mod commands;
    mod confinement;
    mod desktop;
    mod desktop_clipboard;
    mod desktop_faults;
    mod desktop_input;
    mod desktop_keyboard;
    mod disk;
    mod faults;
    mod handle;
    mod images;
    mod lifecycle;
    mod logins;
    mod plane;
    mod plane_access;
    mod rfb;
    mod sessions;
    mod status;
    mod support;
    mod uploads;
    mod users;
    mod views;
}
