//! Mail and tickets in the store: claimed once, replaced, voided, apart from the outbox.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use accrue_auth::domain::{
    Edit, EmailAddress, KeptTicket, MailKind, Posting, Ticket, TicketKind, User, WaitingMail,
};
use accrue_auth::sealing::Sealed;
use accrue_auth::store::{AuthStore, Changed, MailClaim, Registration};
use accrue_chassis::clock::{Clock as _, ManualClock};
use futures_util::future::join_all;
use time::Duration;
use uuid::Uuid;

use crate::place::{Place, new_user, now};

const LEASE: StdDuration = StdDuration::from_mins(2);

fn posting(clock: &Arc<ManualClock>, kind: MailKind, text: &str) -> (Posting, Ticket) {
    let ticket = Ticket::generate();
    let kept = match kind {
        MailKind::Verify => Some(TicketKind::Verify),
        MailKind::Reset => Some(TicketKind::Reset),
        MailKind::Taken => None,
    };
    let written_at = clock.now();
    let written_at = written_at.replace_millisecond(written_at.millisecond()).expect("a time");
    let kept = kept.map(|kind| KeptTicket {
        kind,
        digest: ticket.digest(),
        expires_at: written_at + kind.lifetime(),
    });
    let sealed = Sealed { key_id: "k1".to_owned(), bytes: text.as_bytes().to_vec() };
    let mail = WaitingMail { id: Uuid::now_v7(), kind, sealed };
    (Posting { mail, ticket: kept, written_at }, ticket)
}

async fn register_with(store: &dyn AuthStore, clock: &Arc<ManualClock>, posting: Posting) -> User {
    let new = new_user(store, clock, "ada").post(Some(posting));
    match store.register(new).await.expect("a store that works") {
        Registration::Registered(user) => user,
        other => panic!("not registered: {other:?}"),
    }
}

async fn claim(store: &Arc<dyn AuthStore>) -> MailClaim {
    store.claim_mail(10, LEASE).await.expect("a store that works")
}

fn texts(claim: &MailClaim) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let mut texts: Vec<_> = claim.mails.iter().map(|mail| text(&mail.mail.sealed.bytes)).collect();
    texts.sort();
    texts
}

async fn change(store: &Arc<dyn AuthStore>, clock: &Arc<ManualClock>, edit: Edit) -> Changed {
    store.change(edit.at(clock.now(), None)).await.expect("a store that works")
}

pub(crate) async fn a_mail_is_claimed_once_and_goes_when_sent(place: &Place) {
    let clock = now();
    let stores = [place.store(&clock).await, place.store(&clock).await];
    let (first, _) = posting(&clock, MailKind::Verify, "verify");
    let user = register_with(&*stores[0], &clock, first.clone()).await;
    let claims = join_all((0..10).map(|index| claim(&stores[index % 2]))).await;
    let held: Vec<_> = claims.iter().filter(|claim| !claim.mails.is_empty()).collect();
    assert_eq!(held.len(), 1, "one of ten holds it");
    let mail = &held[0].mails[0];
    assert_eq!((&mail.user_id, &mail.mail, mail.tries), (&user.user_id, &first.mail, 0));
    stores[1].mark_sent(held[0], mail).await.expect("a store that works");
    stores[1].release_mail(held[0]).await.expect("a store that works");
    clock.advance(Duration::minutes(10));
    assert!(claim(&stores[0]).await.mails.is_empty(), "it is gone");
}

pub(crate) async fn a_newer_mail_takes_the_place_of_an_older_one(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let (first, old_ticket) = posting(&clock, MailKind::Verify, "first");
    let user = register_with(&*store, &clock, first).await;
    let held = claim(&store).await;
    let (second, ticket) = posting(&clock, MailKind::Verify, "second");
    let (reset, _) = posting(&clock, MailKind::Reset, "reset");
    for posting in [second, reset] {
        assert!(store.post(&user.user_id, user.version, posting).await.expect("a store that works"));
    }
    // Whoever sent the older one takes nothing of the newer one away.
    store.mark_sent(&held, &held.mails[0]).await.expect("a store that works");
    store.release_mail(&held).await.expect("a store that works");
    assert_eq!(texts(&claim(&store).await), ["reset", "second"]);
    let holder = async |ticket: &Ticket| {
        let held = store.ticket_holder(TicketKind::Verify, &ticket.digest()).await;
        held.expect("a store that works").map(|(user, _)| user.user_id)
    };
    assert_eq!(holder(&old_ticket).await, None);
    assert_eq!(holder(&ticket).await, Some(user.user_id));
    let other_kind = store.ticket_holder(TicketKind::Reset, &ticket.digest()).await;
    assert!(other_kind.expect("a store that works").is_none());
}

pub(crate) async fn an_old_token_marks_no_mail(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let (first, _) = posting(&clock, MailKind::Verify, "verify");
    register_with(&*store, &clock, first).await;
    let old = claim(&store).await;
    clock.advance(Duration::seconds(121));
    let new = claim(&store).await;
    assert_eq!(texts(&new), ["verify"], "the lease has ended");
    store.mark_sent(&old, &old.mails[0]).await.expect("a store that works");
    store.put_off(&old, &old.mails[0], clock.now() + Duration::days(1)).await.expect("a store that works");
    store.release_mail(&old).await.expect("a store that works");
    assert!(claim(&store).await.mails.is_empty(), "the new lease holds");
    store.release_mail(&new).await.expect("a store that works");
    assert_eq!(texts(&claim(&store).await), ["verify"]);
}

pub(crate) async fn what_is_put_off_waits_until_it_is_due(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let (first, _) = posting(&clock, MailKind::Verify, "verify");
    register_with(&*store, &clock, first).await;
    let held = claim(&store).await;
    store.put_off(&held, &held.mails[0], clock.now() + Duration::minutes(5)).await.expect("works");
    store.release_mail(&held).await.expect("a store that works");
    clock.advance(Duration::minutes(4));
    assert!(claim(&store).await.mails.is_empty());
    clock.advance(Duration::minutes(2));
    let again = claim(&store).await;
    assert_eq!((texts(&again), again.mails[0].tries), (vec!["verify".to_owned()], 1));
}

pub(crate) async fn mail_and_events_wait_apart(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let (first, _) = posting(&clock, MailKind::Verify, "verify");
    register_with(&*store, &clock, first).await;
    let mail = claim(&store).await;
    let events = store.claim(10, LEASE).await.expect("a store that works");
    assert_eq!((mail.mails.len(), events.entries.len()), (1, 1));
    store.mark_published(&events, &events.entries).await.expect("a store that works");
    assert_eq!(store.backlog().await.expect("an answer").depth, 0);
    store.release_mail(&mail).await.expect("a store that works");
    assert_eq!(texts(&claim(&store).await), ["verify"]);
}

pub(crate) async fn a_ticket_admits_once(place: &Place) {
    let clock = now();
    let stores = [place.store(&clock).await, place.store(&clock).await];
    let (first, ticket) = posting(&clock, MailKind::Verify, "verify");
    let user = register_with(&*stores[0], &clock, first.clone()).await;
    let digest = ticket.digest();
    let (found, expires_at) =
        stores[0].ticket_holder(TicketKind::Verify, &digest).await.expect("works").expect("a holder");
    assert_eq!((&found, expires_at), (&user, first.ticket.expect("kept").expires_at));
    let tries = (0..10).map(|index| {
        let edit = Edit::of(&user).verify_email().use_ticket(TicketKind::Verify, digest);
        change(&stores[index % 2], &clock, edit)
    });
    let done: Vec<_> = join_all(tries).await;
    let done: Vec<_> = done
        .into_iter()
        .filter_map(|done| if let Changed::Done(user) = done { Some(user) } else { None })
        .collect();
    assert_eq!(done.len(), 1);
    assert!(done[0].email_verified);
    let held = stores[1].ticket_holder(TicketKind::Verify, &digest).await.expect("a store that works");
    assert!(held.is_none());
    // At the version that holds now, but without the ticket: nothing is written.
    let again = Edit::of(&done[0]).use_ticket(TicketKind::Verify, digest);
    assert!(matches!(change(&stores[0], &clock, again).await, Changed::Stale));
    assert!(claim(&stores[0]).await.mails.is_empty(), "a mail for what is done already goes to nobody");
}

pub(crate) async fn another_address_voids_mail_and_tickets(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let (first, old_ticket) = posting(&clock, MailKind::Verify, "old address");
    let user = register_with(&*store, &clock, first).await;
    let (reset, reset_ticket) = posting(&clock, MailKind::Reset, "old reset");
    assert!(store.post(&user.user_id, user.version, reset).await.expect("a store that works"));
    let other = EmailAddress::parse("other@example.com").expect("an address");
    let (new, ticket) = posting(&clock, MailKind::Verify, "new address");
    let edit = Edit::of(&user).email(other.clone()).post(Some(new));
    let Changed::Done(user) = change(&store, &clock, edit).await else { panic!("not changed") };
    let held = claim(&store).await;
    assert_eq!(texts(&held), ["new address"]);
    store.release_mail(&held).await.expect("a store that works");
    for (kind, ticket, is_held) in [
        (TicketKind::Verify, &old_ticket, false),
        (TicketKind::Reset, &reset_ticket, false),
        (TicketKind::Verify, &ticket, true),
    ] {
        let held = store.ticket_holder(kind, &ticket.digest()).await.expect("a store that works");
        assert_eq!(held.is_some(), is_held, "{kind:?}");
    }
    // And without a mail to the next one there is none at all.
    let third = Edit::of(&user).email(EmailAddress::parse("third@example.com").expect("an address"));
    assert!(matches!(change(&store, &clock, third).await, Changed::Done(_)));
    assert!(claim(&store).await.mails.is_empty());
}

pub(crate) async fn nothing_is_posted_to_a_user_who_changed(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let (first, _) = posting(&clock, MailKind::Verify, "verify");
    let user = register_with(&*store, &clock, first).await;
    let (reset, ticket) = posting(&clock, MailKind::Reset, "reset");
    assert!(!store.post(&user.user_id, user.version - 1, reset.clone()).await.expect("a store that works"));
    assert!(!store.post("nobody", user.version, reset.clone()).await.expect("a store that works"));
    let held = store.ticket_holder(TicketKind::Reset, &ticket.digest()).await.expect("a store that works");
    assert!(held.is_none());
    // A new password makes void what would give another.
    assert!(store.post(&user.user_id, user.version, reset).await.expect("a store that works"));
    let edit = Edit::of(&user).password(String::from("another hash").into());
    assert!(matches!(change(&store, &clock, edit).await, Changed::Done(_)));
    assert_eq!(texts(&claim(&store).await), ["verify"]);
}

pub(crate) async fn an_erased_user_has_no_mail(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let (first, ticket) = posting(&clock, MailKind::Verify, "verify");
    let user = register_with(&*store, &clock, first).await;
    let held = claim(&store).await;
    assert!(matches!(change(&store, &clock, Edit::of(&user).erase()).await, Changed::Done(_)));
    store.put_off(&held, &held.mails[0], clock.now()).await.expect("a store that works");
    store.release_mail(&held).await.expect("a store that works");
    clock.advance(Duration::hours(1));
    assert!(claim(&store).await.mails.is_empty());
    let held = store.ticket_holder(TicketKind::Verify, &ticket.digest()).await.expect("a store that works");
    assert!(held.is_none());
}
