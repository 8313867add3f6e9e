//! From the greeting to the size of the screen.

use std::io;

use des::Des;
use des::cipher::{Array, BlockCipherEncrypt, KeyInit};

use super::socket::Socket;
use crate::profile::DesktopSecurity;

const GREETING: &[u8] = b"RFB 003.008\n";
const NONE: u8 = 1;
const VNC_AUTH: u8 = 2;

/// Shakes hands up to ClientInit. Returns whether the client shares the
/// screen.
pub(super) async fn shake(
    socket: &mut Socket,
    security: DesktopSecurity,
    challenge: [u8; 16],
) -> io::Result<bool> {
    socket.send(GREETING).await?;
    let version = socket.take(GREETING.len()).await?;
    let minor = match version.as_slice() {
        b"RFB 003.003\n" => 3,
        b"RFB 003.007\n" => 7,
        b"RFB 003.008\n" => 8,
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let kind = match security {
        DesktopSecurity::None => NONE,
        DesktopSecurity::EmptyPassword | DesktopSecurity::OtherPassword => VNC_AUTH,
    };
    if minor == 3 {
        socket.send(&u32::from(kind).to_be_bytes()).await?;
    } else {
        socket.send(&[1, kind]).await?;
        let chosen = socket.take(1).await?;
        if chosen != [kind] {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let accepted = match security {
        DesktopSecurity::None => true,
        DesktopSecurity::EmptyPassword | DesktopSecurity::OtherPassword => {
            socket.send(&challenge).await?;
            let response = socket.take(challenge.len()).await?;
            response == answer(challenge) && security == DesktopSecurity::EmptyPassword
        }
    };
    if kind == VNC_AUTH || minor == 8 {
        socket.send(&u32::from(!accepted).to_be_bytes()).await?;
    }
    if !accepted {
        if minor == 8 {
            let reason = b"Authentication failure";
            let length = u32::try_from(reason.len()).unwrap_or(0);
            socket.send(&length.to_be_bytes()).await?;
            socket.send(reason).await?;
        }
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let shared = socket.take(1).await?;
    Ok(shared != [0])
}

/// ServerInit.
pub(super) fn server_init((width, height): (u16, u16)) -> Vec<u8> {
    let name = b"x11";
    let mut init = Vec::new();
    init.extend(width.to_be_bytes());
    init.extend(height.to_be_bytes());
    init.extend([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);
    init.extend(u32::try_from(name.len()).unwrap_or(0).to_be_bytes());
    init.extend(name);
    init
}

/// What proves the empty password: the challenge under a key of zeros.
fn answer(challenge: [u8; 16]) -> Vec<u8> {
    let cipher = Des::new(&Array::default());
    let (first, second) = challenge.split_at(8);
    let mut answer = Vec::new();
    for half in [first, second] {
        let mut block = Array::default();
        block.copy_from_slice(half);
        cipher.encrypt_block(&mut block);
        answer.extend(block);
    }
    answer
}
