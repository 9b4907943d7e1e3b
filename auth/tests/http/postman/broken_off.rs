//! A mail server that fails over some mail: the others arrive, and none is lost.

use super::*;
use crate::smtp::Fault;

const EVE: &str = "eve@example.com";
const JUERGEN: &str = "j\u{fc}rgen@example.com";
const OTHERS: [&str; 3] = ["ada@example.com", "ida@example.com", "eda@example.com"];
const ALL_BUT_ONE: Outcome = Outcome { sent: 3, put_off: 1, given_up: 0 };

async fn office(first: &str) -> Office {
    let office = Office::with(&[first]).await;
    for address in OTHERS {
        office.register(address).await;
    }
    office
}

fn assert_others_have_theirs(server: &MailServer) {
    for address in OTHERS {
        assert_eq!(server.count_to(address), 1, "{address}");
    }
}

#[tokio::test]
async fn a_mail_that_is_broken_off_holds_up_no_other() {
    for fault in [Fault::HangsUp, Fault::GivesNoService, Fault::Hangs, Fault::HangsUpAfterData] {
        let (office, server) = (office(EVE).await, MailServer::start());
        let transport = SmtpTransport::new(&server.url().into()).expect("a transport");
        let transport = transport.with_mail_limit(StdDuration::from_secs(2));
        let postman = office.postman_by(transport, office.keys.clone());
        server.misbehave(EVE, fault);
        assert_eq!(postman.run_once().await.expect("a round"), ALL_BUT_ONE, "{fault:?}");
        assert_others_have_theirs(&server);
        assert_eq!(postman.run_once().await.expect("a round"), Outcome::default(), "not due yet");
        server.mend();
        office.clock.advance(Duration::minutes(1));
        assert_eq!(postman.run_once().await.expect("a round"), SENT, "{fault:?}");
    }
}

#[tokio::test]
async fn a_mail_that_is_taken_without_an_answer_comes_ever_more_rarely() {
    let (office, server) = (office(EVE).await, MailServer::start());
    let postman = office.postman(&server.url());
    server.misbehave(EVE, Fault::HangsUpAfterData);
    let mut counts = Vec::new();
    for minute in 0..=60 {
        postman.run_once().await.expect("a round");
        if [0, 1, 3, 7, 60].contains(&minute) {
            counts.push(server.count_to(EVE));
        }
        office.clock.advance(Duration::minutes(1));
    }
    assert_eq!(counts, [1, 2, 3, 4, 6]);
    assert_others_have_theirs(&server);
}

#[tokio::test]
async fn a_server_that_hangs_up_once_it_has_taken_a_mail_gets_it_once() {
    let (office, server) = (office(EVE).await, MailServer::start());
    let postman = office.postman(&server.url());
    server.misbehave(EVE, Fault::HangsUpAfterAnswer);
    assert_eq!(postman.run_once().await.expect("a round"), Outcome { sent: 4, ..Outcome::default() });
    office.clock.advance(Duration::days(1));
    assert_eq!(postman.run_once().await.expect("a round"), Outcome::default());
    assert_eq!(server.count_to(EVE), 1);
}

#[tokio::test]
async fn a_mail_that_the_server_is_too_old_for_is_put_off_and_given_up() {
    is_put_off_and_given_up(office(JUERGEN).await).await;
}

#[tokio::test]
async fn so_it_is_out_of_mongodb() {
    let Some(database) = accrue_testkit::mongodb().await else { return };
    let office = Office::at(database.url()).await;
    for address in [JUERGEN].into_iter().chain(OTHERS) {
        office.register(address).await;
    }
    is_put_off_and_given_up(office).await;
    database.drop_database().await;
}

async fn is_put_off_and_given_up(office: Office) {
    let server = MailServer::start();
    let postman = office.postman(&server.url());
    assert_eq!(postman.run_once().await.expect("a round"), ALL_BUT_ONE);
    assert_others_have_theirs(&server);
    for _ in 1..13 {
        office.clock.advance(Duration::hours(6));
        assert_eq!(postman.run_once().await.expect("a round"), PUT_OFF);
    }
    office.clock.advance(Duration::hours(6));
    assert_eq!(postman.run_once().await.expect("a round"), GIVEN_UP);
    office.clock.advance(Duration::days(1));
    assert_eq!(postman.run_once().await.expect("a round"), Outcome::default());
    assert_eq!(server.count_to(JUERGEN), 0);
}

#[tokio::test]
async fn a_server_that_takes_such_addresses_gets_such_mail() {
    let (office, server) = (office(JUERGEN).await, MailServer::start());
    server.take_utf8();
    let outcome = office.postman(&server.url()).run_once().await.expect("a round");
    assert_eq!(outcome, Outcome { sent: 4, ..Outcome::default() });
    assert_eq!(server.count_to(JUERGEN), 1);
}

#[tokio::test]
async fn a_server_that_breaks_off_over_everything_for_weeks_loses_nothing() {
    let (office, server) = (office(EVE).await, MailServer::start());
    let more = ["oda@example.com", "uda@example.com"];
    for address in more {
        office.register(address).await;
    }
    let postman = office.postman(&server.url());
    for address in OTHERS.into_iter().chain(more).chain([EVE]) {
        server.misbehave(address, Fault::HangsUp);
    }
    let error = postman.run_once().await.expect_err("five in a row").to_string();
    assert!(!error.contains('@'), "{error}");
    // The sixth has not been tried: it is next.
    assert_eq!(postman.run_once().await.expect("a round"), PUT_OFF);
    for _ in 0..60 {
        office.clock.advance(Duration::hours(6));
        postman.run_once().await.expect_err("five in a row");
        assert_eq!(postman.run_once().await.expect("a round"), PUT_OFF);
    }
    server.mend();
    // Back, and picky at first: what was counted is not the outage.
    server.refuse(true);
    office.clock.advance(Duration::hours(6));
    let outcome = postman.run_once().await.expect("a round");
    assert_eq!(outcome, Outcome { put_off: 6, ..Outcome::default() });
    server.refuse(false);
    office.clock.advance(Duration::hours(6));
    let outcome = postman.run_once().await.expect("a round");
    assert_eq!(outcome, Outcome { sent: 6, ..Outcome::default() });
    assert_others_have_theirs(&server);
}

#[tokio::test]
async fn a_mail_that_alone_is_broken_off_for_days_is_given_up() {
    let (office, server) = (office(EVE).await, MailServer::start());
    let postman = office.postman(&server.url());
    server.misbehave(EVE, Fault::HangsUp);
    assert_eq!(postman.run_once().await.expect("a round"), ALL_BUT_ONE);
    // Nobody else gets mail meanwhile: the server may be at fault.
    for _ in 0..20 {
        office.clock.advance(Duration::hours(6));
        assert_eq!(postman.run_once().await.expect("a round"), PUT_OFF);
    }
    for day in 0..13 {
        office.register(&format!("user{day}@example.com")).await;
        office.clock.advance(Duration::hours(3));
        assert_eq!(postman.run_once().await.expect("a round"), SENT);
        office.clock.advance(Duration::hours(3));
        assert_eq!(postman.run_once().await.expect("a round"), PUT_OFF);
    }
    office.register("user13@example.com").await;
    office.clock.advance(Duration::hours(3));
    assert_eq!(postman.run_once().await.expect("a round"), SENT);
    office.clock.advance(Duration::hours(3));
    assert_eq!(postman.run_once().await.expect("a round"), GIVEN_UP);
}

#[tokio::test]
async fn a_server_that_refuses_every_session_costs_no_try() {
    let (office, server) = (office(EVE).await, MailServer::start());
    let postman = office.postman(&server.url());
    server.close(true);
    for _ in 0..20 {
        postman.run_once().await.expect_err("no service");
        office.clock.advance(Duration::hours(6));
    }
    server.close(false);
    let outcome = postman.run_once().await.expect("a round");
    assert_eq!(outcome, Outcome { sent: 4, ..Outcome::default() });
}
