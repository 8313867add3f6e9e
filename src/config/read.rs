//! Puts the groups together to a valid [`Config`]. All mistakes are collected instead of stopping at the first.

use super::reader::{SettingMistakes, SettingsReader};
use super::source::SettingsSources;
use super::{Config, audit, http, kasm, limits, log, state, tokens};
use crate::caller::Realm;

pub(super) fn read_config(sources: &SettingsSources) -> Result<Config, SettingMistakes> {
    let mut reader = SettingsReader::new(sources)?;
    // Of the settings, not of what was read: the mistakes of a provider that is wanted do not turn it off.
    let realms: &[Realm] = if kasm::is_wanted(&reader) {
        &[Realm::KASM]
    } else {
        &[]
    };
    let kasm = kasm::read_kasm(&mut reader);
    if realms.is_empty() {
        let problem = "not set, and no other system with tools is".to_owned();
        reader.add_mistake("KASM_API_URL", problem, &kasm::how_to_turn_on());
    }
    let link_lifetime = reader.seconds_value("KASM_FILE_LINK_SECONDS", 1, 86_400);
    let audit = audit::audit_settings(&mut reader);
    // An invalid id is a mistake already; the tokens file is checked all the same.
    let usual_user = kasm.as_ref().map(|kasm| kasm.user.as_str());
    let tokens_file = tokens::checked_tokens_file(&mut reader, usual_user);
    let http = http::read_http(&mut reader, tokens_file, realms);
    let limits = limits::read_limits(&mut reader);
    let log = log::read_log(&mut reader);
    // All parts are read before this decision, so one start reports the mistakes of all parts.
    match (http, limits, log) {
        (Some(http), Some(limits), Some(log)) if reader.mistakes.is_empty() => Ok(Config {
            kasm,
            state_dir: state::state_dir(&reader),
            link_lifetime,
            audit,
            http,
            limits,
            log,
            notices: reader.notices,
        }),
        _ => Err(SettingMistakes(reader.mistakes)),
    }
}
