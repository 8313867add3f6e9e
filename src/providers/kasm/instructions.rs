//! What a model should know of the Kasm tools before it sees them.

/// The most important part. Clients show at least the first 512 characters.
pub(super) const ESSENCE: &str = "\
Desktops in Kasm Workspaces. get_available_workspaces lists the workspaces; create_kasm_session starts \
one and returns its kasm_id, which the other tools take. Sessions belong to your own user and cost \
resources: call destroy_kasm_session when done, or pause_kasm_session to keep one. list_user_sessions \
lists existing sessions. A failure names the next step in `hint`.";

/// The rest.
pub(super) const DETAILS: &str = "\
A session is usable when operational_status is `running`. After a time-out of create_kasm_session, call \
it again with the same arguments: it returns the session that the first call may have started. A session \
ends at its expiration_date unless extend_kasm_session moves it. execute_kasm_command runs a shell command \
and returns its output and exit code; if the command runs longer, it continues and get_command_output \
returns the rest. read_kasm_file, write_kasm_file and edit_kasm_file work on files below /home/kasm-user; \
link_kasm_file transfers large ones. get_session_screenshot shows the screen; control_desktop clicks and \
types, with the frame_id and coordinates of that screenshot. Prefer commands and files to the mouse where \
possible: they are faster and more reliable. If tools are refused, diagnose_kasm shows what an administrator \
must change.";

#[cfg(test)]
mod tests {
    use super::{DETAILS, ESSENCE};

    #[test]
    fn instructions_have_the_essence_in_512_characters() {
        assert!(ESSENCE.len() <= 512, "{}", ESSENCE.len());
        assert!(ESSENCE.len() + DETAILS.len() <= 1_900);
    }
}
