//! One entry worked out by hand: the bytes and the hash of docs/ledger.md.

use time::OffsetDateTime;

use super::super::entry::Draw;
use super::*;

fn entry() -> Entry {
    Entry {
        seq: 1,
        kind: EntryKind::Adjustment,
        credits: 0,
        balance_after: 0,
        reserved_after: 0,
        draws: Vec::new(),
        reference: Uuid::from_u128(7),
        counterparty: None,
        actor: "operator".to_owned(),
        reason: Some("counted".to_owned()),
        recorded_at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(1),
        seal: Seal::default(),
    }
}

#[test]
fn the_worked_example_holds() {
    let mut entry = entry();
    seal("u", None, &mut entry, &[], &[0; 32]);
    let document = include_str!("../../../../docs/ledger.md");
    for digest in [&first("u")[..], &entry.seal.text_digest.expect("a text")[..], &entry.seal.hash[..]] {
        assert!(document.contains(&hex(digest)), "{} is missing in docs/ledger.md", hex(digest));
    }
    assert!(document.contains(&hex(&entry.seal.text_salt.expect("a text"))));
}

#[test]
fn every_part_of_an_entry_is_in_its_hash() {
    let entry = entry();
    let original = hash("u", &[0; 32], &entry);
    let draw = Draw { allocation_id: Uuid::nil(), remaining: 0, reserved: 0 };
    let changes: [fn(&mut Entry); 12] = [
        |entry| entry.seq = 2,
        |entry| entry.kind = EntryKind::Usage,
        |entry| entry.credits = 1,
        |entry| entry.balance_after = 1,
        |entry| entry.reserved_after = 1,
        |entry| entry.draws.clear(),
        |entry| entry.reference = Uuid::nil(),
        |entry| entry.counterparty = Some(String::new()),
        |entry| entry.actor.push('x'),
        |entry| entry.recorded_at += time::Duration::microseconds(1),
        |entry| entry.seal.made_digest = Some([1; 32]),
        |entry| entry.seal.text_digest = Some([1; 32]),
    ];
    for change in changes {
        let mut other = Entry { draws: vec![draw], ..entry.clone() };
        let before = hash("u", &[0; 32], &other);
        change(&mut other);
        assert_ne!(hash("u", &[0; 32], &other), before, "{other:?}");
    }
    assert_ne!(hash("v", &[0; 32], &entry), original);
    assert_ne!(hash("u", &[1; 32], &entry), original);
}

#[test]
fn a_text_can_be_erased_with_its_salt_and_not_changed() {
    let mut entry = entry();
    seal("u", None, &mut entry, &[], &[9; 32]);
    assert!(matches_texts(&entry.seal, Some("counted"), &[]));
    assert!(!matches_texts(&entry.seal, Some("recounted"), &[]));
    assert!(!matches_texts(&entry.seal, None, &[]));
    let before = entry.seal.hash;
    entry.seal.text_salt = None;
    assert!(matches_texts(&entry.seal, None, &[]) && !matches_texts(&entry.seal, Some("counted"), &[]));
    assert_eq!(hash("u", &first("u"), &entry), before);
}

#[test]
fn digits_are_hexadecimal() {
    assert_eq!(hex(&[0x0f, 0xa0, 0x00, 0xff]), "0fa000ff");
}

#[test]
fn an_entry_makes_what_it_is_the_first_to_name() {
    let draw = Draw { allocation_id: Uuid::nil(), remaining: -1, reserved: 0 };
    for (kind, credits, draws, makes) in [
        (EntryKind::Adjustment, 5, vec![], Makes::Allocations),
        (EntryKind::Adjustment, 0, vec![], Makes::Nothing),
        (EntryKind::Adjustment, -5, vec![draw], Makes::Nothing),
        (EntryKind::Void, 0, vec![], Makes::Allocation),
        (EntryKind::Void, -1, vec![draw], Makes::Nothing),
    ] {
        let entry = Entry { kind, credits, draws, ..entry() };
        assert_eq!(entry.makes(), makes, "{entry:?}");
    }
}

#[test]
fn a_draw_of_nothing_names_what_was_pending() {
    let draw = |id, remaining, reserved| Draw { allocation_id: Uuid::from_u128(id), remaining, reserved };
    let draws = vec![draw(1, -5, 0), draw(2, 0, 0), draw(3, 0, -5), draw(4, 0, 0)];
    let moved: Vec<Uuid> = Entry { draws, ..entry() }.pending_moved().collect();
    assert_eq!(moved, [Uuid::from_u128(2), Uuid::from_u128(4)]);
}
