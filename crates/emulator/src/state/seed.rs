//! What a fresh server holds: users, groups, and a catalogue with one of each
//! kind of trap. The ids are fixed, so that a demonstration can be repeated.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::State;
use super::group::Group;
use super::image::Image;
use super::user::User;
use crate::answer::object;
use crate::id::Id;

/// The user most things are done for.
pub(crate) const DEMO: Id = Id::new(0x7d1c_4e2b_90a8_4f5e_8c37_2b6f_d04e_1a95);
/// A second user.
pub(crate) const OTHER: Id = Id::new(0x2f8e_63d0_b5c1_4a79_9e04_81d7_3c5b_f26a);
/// An administrator.
const ADMIN: Id = Id::new(0xe4a0_917c_38d2_4b6f_a51e_c920_6f7b_83d4);

const ALL_USERS: Id = Id::new(0x68d5_57ac_4cac_42cc_a9f3_1c7c_853d_e0f3);
const ADMINISTRATORS: Id = Id::new(0x31aa_063c_670b_4b8e_8f4c_7e0d_92d5_b6e1);
const AUTOMATION: Id = Id::new(0x9c02_b7e5_1f46_4d83_b0a7_5e68_d13c_f429);

/// The workspace a test starts unless it has a reason to start another.
pub(crate) const UBUNTU: Id = Id::new(0x0e5b_6a41_d3f7_4c28_92b4_7f16_e8a0_5d93);
const CHROMIUM_OLD: Id = Id::new(0x45c9_18f2_7ae0_4b5d_8d61_03f9_b27c_e4a8);
const CHROMIUM: Id = Id::new(0xb83f_0d67_c914_4e2a_a70c_5d9e_461b_f832);
const FIREFOX: Id = Id::new(0x1ad4_7c90_e65b_4f38_b92e_c807_3fd1_a56e);
const CODE: Id = Id::new(0x5f70_e2b8_346d_4a91_8ec5_19ad_f207_6bc3);
const TERMINAL: Id = Id::new(0x83be_51f6_09c7_4d2f_95a0_e47d_b81c_360f);
const KALI: Id = Id::new(0xc629_a4d8_7b13_4e60_b8f1_9d35_02ea_7c54);
const DEBIAN: Id = Id::new(0xd70a_3e95_f82c_4b16_a4d9_6c81_57fe_2b08);
const WINDOWS: Id = Id::new(0xf91b_c836_254e_4d07_8ba2_40e7_96cd_13a5);

/// The host of every session.
pub(crate) const SERVER: Id = Id::new(0x6b02_d9f4_81e5_4c73_a0d6_f28c_3791_be4a);
/// The program on that host.
pub(crate) const AGENT: Id = Id::new(0xa8f3_1c7d_502b_4e96_b4c8_73d0_e15f_962b);
/// A machine that is no container.
pub(crate) const WINDOWS_SERVER: Id = Id::new(0x3dc5_80a2_f96e_4b17_8d3f_61b9_07e4_ca58);
/// Where the host is.
pub(crate) const ZONE: Id = Id::new(0x92e7_4f0b_6ca1_4d38_95be_08f2_d3c6_71a4);
/// What permits all this.
pub(crate) const LICENCE: Id = Id::new(0x50b1_e9c7_23fd_4a86_bc72_d41e_9f60_85a3);

/// Fills an empty server.
pub(crate) fn fill(state: &mut State, now: Timestamp) {
    state.images = images();
    state.groups = groups();
    let all: Vec<Id> = state.images.iter().map(|image| image.id).collect();
    if let Some(everyone) = state.group_mut(ALL_USERS) {
        everyone.images.extend(all);
    }
    let people = [
        (
            DEMO,
            "demo@kasm.local",
            "Dana",
            &[ALL_USERS, AUTOMATION][..],
        ),
        (OTHER, "user@kasm.local", "Uri", &[ALL_USERS][..]),
        (
            ADMIN,
            "admin@kasm.local",
            "Ada",
            &[ALL_USERS, ADMINISTRATORS][..],
        ),
    ];
    for (id, name, first_name, groups) in people {
        let mut user = User::new(id, name.to_owned(), state.random.id(), now);
        user.first_name = Some(first_name.to_owned());
        user.groups.extend(groups);
        state.users.push(user);
    }
}

fn groups() -> Vec<Group> {
    let group = |id, name: &str, description: &str, priority, is_system, is_admin| Group {
        id,
        name: name.to_owned(),
        description: description.to_owned(),
        priority,
        is_system,
        is_admin,
        images: std::collections::BTreeSet::new(),
    };
    vec![
        group(ALL_USERS, "All Users", "Everybody", 4096, true, false),
        group(
            ADMINISTRATORS,
            "Administrators",
            "Run the server",
            1,
            true,
            true,
        ),
        group(
            AUTOMATION,
            "Automation",
            "Driven by programs",
            50,
            false,
            false,
        ),
    ]
}

fn images() -> Vec<Image> {
    let mut ubuntu = image(
        UBUNTU,
        "kasmweb/ubuntu-noble-desktop:1.19.0",
        "Ubuntu Desktop",
    );
    ubuntu.description = "A whole desktop with a browser and an editor".to_owned();
    ubuntu.uncompressed_size_mb = 6400;
    ubuntu.persistent_profile_path = Some("/mnt/kasm_profiles/{username}/{image_id}".to_owned());
    ubuntu.volume_mappings = object(json!({
        "/mnt/shared": {
            "bind": "/shared", "mode": "rw", "uid": 1000, "gid": 1000,
            "required": false, "skip_check": false,
        },
    }));

    // Two tags of one browser under one name.
    let chromium_old = browser(CHROMIUM_OLD, "kasmweb/chromium:1.18.0", "Chromium");
    let chromium = browser(CHROMIUM, "kasmweb/chromium:1.19.0", "Chromium");
    let firefox = browser(FIREFOX, "kasmweb/firefox:1.19.0", "Firefox");

    let mut code = image(
        CODE,
        "registry.invalid/team/vs-code:1.19.0",
        "Visual Studio Code",
    );
    code.description = "An editor from a private registry".to_owned();
    code.docker_registry = "https://registry.invalid/".to_owned();
    code.docker_user = Some("robot-puller".to_owned());
    code.docker_token = Some("emulated-docker-token".to_owned());
    code.uncompressed_size_mb = 4100;
    code.categories = vec![json!("Development")];

    let mut terminal = image(TERMINAL, "kasmweb/terminal:1.19.0", "Terminal");
    terminal.memory = 1_073_741_824;
    terminal.cores = 1.0;
    terminal.uncompressed_size_mb = 1900;

    let mut kali = image(KALI, "kasmweb/kali-rolling-desktop:1.19.0", "Kali Linux");
    kali.enabled = false;
    kali.uncompressed_size_mb = 9800;

    let mut debian = image(
        DEBIAN,
        "kasmweb/debian-bookworm-desktop:1.19.0",
        "Debian Desktop",
    );
    debian.available = false;
    debian.uncompressed_size_mb = 6100;

    let mut windows = image(WINDOWS, "Accounting", "Windows Accounting");
    windows.image_type = "Server".to_owned();
    windows.docker_registry = String::new();

    vec![
        ubuntu,
        chromium_old,
        chromium,
        firefox,
        code,
        terminal,
        kali,
        debian,
        windows,
    ]
}

fn image(id: Id, name: &str, friendly_name: &str) -> Image {
    let mut image = Image::new(id, name, friendly_name);
    image.description = format!("{friendly_name} in a session of its own");
    image.categories = vec![Value::from("Desktop")];
    image.run_config = object(json!({"hostname": "kasm"}));
    image
}

fn browser(id: Id, name: &str, friendly_name: &str) -> Image {
    let mut image = image(id, name, friendly_name);
    image.categories = vec![Value::from("Browser")];
    image.uncompressed_size_mb = 2600;
    image.exec_config = object(json!({
        "go": {"cmd": "bash -c '/dockerstartup/custom_startup.sh --go --url \"$KASM_URL\"'"},
    }));
    image
}
