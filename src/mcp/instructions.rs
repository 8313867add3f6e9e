//! What a model reads before it sees any tool. Clients show the first 512 characters at least.

/// The text for `instructions`.
pub(super) const TEXT: &str = "\
Desktops in Kasm Workspaces. get_available_workspaces lists what can be started; \
create_kasm_session starts one and returns its kasm_id, which every other tool takes. Sessions are \
your own user's and cost resources: destroy_kasm_session when done, pause_kasm_session to keep one. \
list_user_sessions finds sessions from earlier. Failures say what to do next in `hint`.

A session is usable when operational_status is `running`. After a time-out of create_kasm_session \
call it again with the same arguments: it finds the session it may have made. A session ends at its \
expiration_date unless extend_kasm_session moves it. execute_kasm_command runs a shell command and \
returns its output and exit code; one that takes longer goes on, get_command_output reads on. \
read_kasm_file, write_kasm_file and edit_kasm_file work on files below /home/kasm-user; link_kasm_file \
moves large ones. get_session_screenshot shows the screen; control_desktop clicks and types, with the \
frame_id and the coordinates of that picture. Prefer commands and files where they do: they are faster \
and surer than the mouse. diagnose_kasm tells what an administrator has to change when tools are refused. \
Results carry `success`, `data` and `message`; failures `error`, `error_type` and `hint`.";

#[cfg(test)]
mod tests {
    use super::TEXT;

    #[test]
    fn instructions_have_the_essence_in_512_characters() {
        let essence = TEXT.split("\n\n").next().unwrap();
        assert!(essence.len() <= 512, "{}", essence.len());
        assert!(TEXT.len() <= 2_000);
    }
}
