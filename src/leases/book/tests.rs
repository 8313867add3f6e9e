//! Which work is due at which second, computed without waiting.

use super::*;
use crate::kasm::model::SessionStatus;

/// Seconds since the test began.
fn at(seconds: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
}

const HOUR: Duration = Duration::from_secs(3_600);

fn session_id(number: u32) -> KasmId {
    format!("{number:032x}").parse().unwrap()
}

fn user_id() -> UserId {
    format!("{:032x}", 77).parse().unwrap()
}

/// What Kasm says at `now` of a session that it will end at `expires`. Its clock is 100 s ahead.
fn session(now: u64, expires: u64) -> KasmSession {
    KasmSession {
        kasm_id: None,
        user_id: None,
        username: None,
        image_id: None,
        image_name: None,
        status: SessionStatus::Running,
        progress: None,
        message: None,
        share_id: None,
        hostname: None,
        cores: None,
        memory_bytes: None,
        created_date: None,
        start_date: None,
        expiration_date: Some(at(expires + 100)),
        keepalive_date: None,
        current_time: Some(at(now + 100)),
        connect_url: None,
        vnc: None,
        uploads: None,
        downloads_allowed: None,
        uploads_allowed: None,
        clipboard_out_allowed: None,
        clipboard_in_allowed: None,
    }
}

/// A session that was used at second 0, when Kasm would end it at second 900.
fn used_once() -> (LeaseBook, KasmId) {
    let mut book = LeaseBook::default();
    let id = session_id(1);
    book.begin_use(user_id(), id, &session(0, 900), at(0));
    book.end_use(id, at(0));
    (book, id)
}

fn duties(book: &mut LeaseBook, second: u64) -> Vec<LeaseDuty> {
    let due = book.due_duties(at(second));
    due.into_iter().map(|(_, _, duty)| duty).collect()
}

#[test]
fn unused_session_without_lease_is_left_to_kasm() {
    let (mut book, _) = used_once();
    for second in [1, 299, 301, 899] {
        assert_eq!(duties(&mut book, second), [], "{second}");
    }
    assert_eq!(book.sessions.len(), 1);
    assert_eq!(duties(&mut book, 901), []);
    assert_eq!(book.sessions.len(), 0, "Kasm has ended it");
}

#[test]
fn used_session_is_kept_alive_after_a_third_of_its_time() {
    let (mut book, id) = used_once();
    book.begin_use(user_id(), id, &session(200, 900), at(200));
    assert_eq!(duties(&mut book, 299), []);
    assert_eq!(duties(&mut book, 300), [LeaseDuty::KeepAlive]);
    book.record_keepalive(id, &session(300, 1_200), at(300));
    assert_eq!(duties(&mut book, 599), []);
    assert_eq!(duties(&mut book, 600), [LeaseDuty::KeepAlive]);
    // A use that ended since Kasm was last asked counts, too.
    book.end_use(id, at(601));
    assert_eq!(duties(&mut book, 601), [LeaseDuty::KeepAlive]);
    book.record_keepalive(id, &session(601, 1_501), at(601));
    assert_eq!(duties(&mut book, 1_400), []);
}

#[test]
fn keepalive_without_effect_is_not_repeated() {
    let (mut book, id) = used_once();
    book.begin_use(user_id(), id, &session(200, 900), at(200));
    book.record_keepalive(id, &session(300, 900), at(300));
    for second in [301, 700, 899] {
        assert_eq!(duties(&mut book, second), [], "{second}");
    }
}

#[test]
fn lease_ends_its_length_after_the_last_use() {
    let (mut book, id) = used_once();
    book.give_lease(user_id(), id, HOUR, at(10)).unwrap();
    assert_eq!(book.lease_of(id, at(10)).unwrap().ends, at(3_610));
    book.record_keepalive(id, &session(3_500, 4_400), at(3_500));
    assert_eq!(duties(&mut book, 3_609), []);
    assert_eq!(duties(&mut book, 3_610), [LeaseDuty::End]);
    // A use in the last second begins it anew.
    book.begin_use(user_id(), id, &session(3_609, 4_400), at(3_609));
    book.end_use(id, at(3_620));
    assert_eq!(book.lease_of(id, at(3_630)).unwrap().ends, at(7_220));
    book.record_keepalive(id, &session(7_000, 7_900), at(7_000));
    assert_eq!(duties(&mut book, 7_219), []);
    assert_eq!(duties(&mut book, 7_220), [LeaseDuty::End]);
}

#[test]
fn lease_during_a_use_does_not_end() {
    let (mut book, id) = used_once();
    book.give_lease(user_id(), id, HOUR, at(0)).unwrap();
    book.begin_use(user_id(), id, &session(1, 900), at(1));
    assert_eq!(duties(&mut book, 36_000), [LeaseDuty::KeepAlive]);
    assert_eq!(book.lease_of(id, at(36_000)).unwrap().ends, at(39_600));
    book.end_use(id, at(36_000));
    assert_eq!(duties(&mut book, 39_600), [LeaseDuty::End]);
}

#[test]
fn unused_session_is_kept_alive_until_its_lease_ends() {
    let (mut book, id) = used_once();
    book.give_lease(user_id(), id, HOUR, at(0)).unwrap();
    for second in [300, 600, 900, 1_200] {
        assert_eq!(duties(&mut book, second - 1), [], "{second}");
        assert_eq!(
            duties(&mut book, second),
            [LeaseDuty::KeepAlive],
            "{second}"
        );
        book.record_keepalive(id, &session(second, second + 900), at(second));
    }
}

#[test]
fn keepalive_by_a_viewer_counts_as_a_use() {
    let (mut book, id) = used_once();
    book.give_lease(user_id(), id, HOUR, at(0)).unwrap();
    book.record_keepalive(id, &session(3_400, 4_300), at(3_400));
    let same = session(3_600, 4_300);
    assert!(!book.is_kept_by_others(id, &same, at(3_600)));
    // A person's browser has moved the expiry by five minutes.
    let moved = session(3_600, 4_600);
    assert!(!book.is_abandoned(id, &moved, at(3_600)));
    assert_eq!(book.lease_of(id, at(3_600)).unwrap().ends, at(7_200));
    assert!(!book.is_abandoned(id, &session(7_199, 4_600), at(7_199)));
    assert!(book.is_abandoned(id, &session(7_200, 4_600), at(7_200)));
}

#[test]
fn keepalive_by_this_server_does_not_hide_a_viewers() {
    let (mut book, id) = used_once();
    book.give_lease(user_id(), id, HOUR, at(0)).unwrap();
    // Before each of our keepalives Kasm is asked, and by then the person's page has sent one.
    for second in [300_u64, 3_300, 6_600, 9_900] {
        let theirs = session(second, second + 890);
        assert!(book.is_kept_by_others(id, &theirs, at(second)), "{second}");
        book.record_keepalive(id, &session(second, second + 900), at(second));
    }
    assert_eq!(book.lease_of(id, at(9_900)).unwrap().ends, at(13_500));
}

#[test]
fn failed_lease_duty_is_retried_after_30_seconds() {
    let (mut book, id) = used_once();
    book.give_lease(user_id(), id, HOUR, at(0)).unwrap();
    book.postpone_duty(id, at(3_600));
    assert_eq!(duties(&mut book, 3_629), []);
    assert_eq!(duties(&mut book, 3_630), [LeaseDuty::End]);
}

#[test]
fn lease_from_disk_counts_from_the_last_use() {
    let (mut book, id) = used_once();
    book.give_lease(user_id(), id, HOUR, at(0)).unwrap();
    let kept = book.take_changes().unwrap();
    assert_eq!(book.take_changes(), None, "nothing has changed since");
    let mut next = LeaseBook::from_stored(kept);
    // Nothing is known of Kasm's expiry, so it is asked at once.
    assert_eq!(duties(&mut next, 1_000), [LeaseDuty::KeepAlive]);
    assert_eq!(duties(&mut next, 3_600), [LeaseDuty::End]);
}

#[test]
fn full_lease_book_refuses_new_leases_and_keeps_old() {
    let mut book = LeaseBook::default();
    let count = u32::try_from(SESSIONS_MAX).unwrap();
    for number in 0..count {
        book.give_lease(user_id(), session_id(number), HOUR, at(0))
            .unwrap();
    }
    assert!(
        book.give_lease(user_id(), session_id(count), HOUR, at(1))
            .is_err()
    );
    book.forget_session(session_id(0));
    book.begin_use(user_id(), session_id(count), &session(1, 900), at(1));
    book.end_use(session_id(count), at(1));
    // The one without a lease makes room.
    book.give_lease(user_id(), session_id(count + 1), HOUR, at(2))
        .unwrap();
    assert!(!book.sessions.contains_key(&session_id(count)));
}
