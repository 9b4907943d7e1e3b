//! Payloads as they were written: every one is read as it was, and what is written today is
//! what the newest file holds.
//!
//! `golden/written/KIND/N.json` is an event as a release wrote it, byte for byte. A file is never
//! changed: where the code writes something else on purpose, `UPDATE_GOLDEN=1` adds the next one.
//! `golden/read` has what others may send, by what has to become of it.

use std::path::{Path, PathBuf};
use std::{env, fs};

use accrue_events::account::{AccountEvent, BalanceLow, Booked, BookedKind, Happening, Parts};
use accrue_events::broker::Message;
use accrue_events::envelope::Envelope;
use accrue_events::user::{DecodeError, Decoded, UserEvent, UserEventKind, UserSnapshot, UserStatus};
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

const UPDATE: &str = "UPDATE_GOLDEN";
const AT: OffsetDateTime = datetime!(2026-01-02 03:04:05.678901 UTC);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn user(kind: UserEventKind) -> UserEvent {
    let is_deleted = kind == UserEventKind::Deleted;
    let text = |text: &str| (!is_deleted).then(|| text.to_owned());
    UserEvent {
        id: Uuid::from_u128(7),
        kind,
        occurred_at: AT,
        user: UserSnapshot {
            user_id: "65f0c0ffee0000000000abcd".to_owned(),
            version: 1_767_323_045_678,
            status: match kind {
                UserEventKind::Deactivated => UserStatus::Deactivated,
                UserEventKind::Deleted => UserStatus::Deleted,
                _ => UserStatus::Active,
            },
            email: text("ada@example.com"),
            email_verified: kind != UserEventKind::Registered && !is_deleted,
            username: text("ada").filter(|_| kind != UserEventKind::Registered),
            display_name: text("Ada \u{201c}Łovelace\u{201d}"),
            registered_at: AT,
        },
    }
}

fn account(happening: Happening) -> AccountEvent {
    AccountEvent { id: Uuid::from_u128(8), occurred_at: AT, happening }
}

fn booked(kind: BookedKind) -> Happening {
    let id = |n: u128, is_there: bool| is_there.then(|| Uuid::from_u128(n));
    let booked = Booked {
        user_id: "65f0c0ffee0000000000abcd".to_owned(),
        seq: 7,
        kind: "capture".to_owned(),
        credits: -25,
        change: Parts { available: 15, reserved: -40 },
        balance: Parts { available: 9_007_199_254_740_991, reserved: 0 },
        allocation_id: id(1, kind == BookedKind::CreditsAllocated),
        usage_id: id(2, kind == BookedKind::CreditsUsed),
        reservation_id: id(3, kind == BookedKind::CreditsUsed || kind == BookedKind::CreditsReserved),
        adjustment_id: id(4, kind == BookedKind::BalanceAdjusted),
        transfer_id: id(5, kind == BookedKind::CreditsTransferred),
    };
    Happening::Booked(kind, booked)
}

fn low() -> Happening {
    Happening::BalanceLow(BalanceLow {
        user_id: "65f0c0ffee0000000000abcd".to_owned(),
        seq: 8,
        threshold: 10,
        balance: Parts { available: 9, reserved: 1 },
    })
}

const USER_KINDS: [UserEventKind; 5] = [
    UserEventKind::Registered,
    UserEventKind::Updated,
    UserEventKind::Deactivated,
    UserEventKind::Reactivated,
    UserEventKind::Deleted,
];

/// One fixed event of each kind, as it is written today.
fn messages() -> Vec<Message> {
    let users = USER_KINDS.into_iter().map(|kind| user(kind).to_message(None));
    let happenings = BookedKind::ALL.into_iter().map(booked).chain([low()]);
    users.chain(happenings.map(|happening| account(happening).to_message())).collect()
}

/// The files of a folder, in order of their numbers or names.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let there = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = there.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort_by_key(|path| {
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (stem.parse::<u32>().unwrap_or(0), stem)
    });
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).expect("a file"))).collect()
}

#[test]
fn what_is_written_today_is_what_the_newest_file_holds() {
    for message in messages() {
        let folder = folder().join("written").join(&message.routing_key);
        let body = [&message.body[..], b"\n"].concat();
        if env::var_os(UPDATE).is_some() {
            fs::create_dir_all(&folder).expect("a folder");
            let there = files(&folder);
            if there.last().is_none_or(|(_, newest)| *newest != body) {
                fs::write(folder.join(format!("{}.json", there.len() + 1)), &body).expect("written");
            }
        }
        let there = files(&folder);
        let (path, newest) = there.last().expect("a file of each kind");
        assert!(
            *newest == body,
            "{} is not what is written today, which is\n{}If that is meant: {UPDATE}=1 cargo test -p \
             accrue-events --test golden, and the new file beside it stays",
            path.display(),
            String::from_utf8_lossy(&body)
        );
    }
}

#[test]
fn everything_that_was_ever_written_can_be_read() {
    for kind in USER_KINDS {
        for (path, body) in files(&folder().join("written").join(kind.routing_key())) {
            let Ok(Decoded::User(read)) = UserEvent::decode(&body) else { panic!("{}", path.display()) };
            assert_eq!(*read, user(kind), "{}", path.display());
        }
    }
    for happening in BookedKind::ALL.into_iter().map(booked).chain([low()]) {
        let event = account(happening);
        for (path, body) in files(&folder().join("written").join(event.to_message().routing_key)) {
            let read = serde_json::from_slice::<Envelope<Value>>(&body).expect("an envelope");
            assert_eq!((read.id, read.time, read.subject.as_str()), (event.id, AT, event.user_id()));
            match &event.happening {
                Happening::Booked(_, booked) => {
                    let read: Booked = serde_json::from_value(read.data).expect("an entry");
                    assert_eq!(read, *booked, "{}", path.display());
                }
                Happening::BalanceLow(low) => {
                    let read: BalanceLow = serde_json::from_value(read.data).expect("a low balance");
                    assert_eq!(read, *low, "{}", path.display());
                }
            }
        }
    }
}

#[test]
fn no_folder_is_of_a_kind_that_nobody_writes() {
    let known: Vec<_> = messages().into_iter().map(|message| message.routing_key).collect();
    for entry in fs::read_dir(folder().join("written")).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
        assert!(known.contains(&name), "{name} is no longer written, and no longer tested");
    }
}

#[test]
fn what_others_send_becomes_what_it_has_to() {
    type Expected = fn(&Result<Decoded, DecodeError>) -> bool;
    let cases: [(&str, Expected); 4] = [
        ("user", |read| matches!(read, Ok(Decoded::User(_)))),
        ("unknown_type", |read| matches!(read, Ok(Decoded::UnknownType(_)))),
        ("unknown_major", |read| matches!(read, Err(DecodeError::UnknownMajor(_)))),
        ("malformed", |read| matches!(read, Err(DecodeError::Malformed(_)))),
    ];
    for (what, is_expected) in cases {
        let files = files(&folder().join("read").join(what));
        assert!(!files.is_empty(), "there is nothing in {what}");
        for (path, body) in files {
            let read = UserEvent::decode(&body);
            assert!(is_expected(&read), "{} was read as {read:?}", path.display());
        }
    }
}
