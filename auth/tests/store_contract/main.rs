//! What every store of users promises: the same checks over each adapter.

mod durability;
mod outbox;
mod place;
mod registering;
mod relaying;

use place::Place;

/// Each check as a test of its own over each adapter, in a database of its own.
macro_rules! contract {
    ($($module:ident::$check:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                super::$module::$check(&super::Place::sqlite()).await;
            })*
        }

        mod mongodb_compatible {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let Some(place) = super::Place::mongodb().await else { return };
                super::$module::$check(&place).await;
                place.end().await;
            })*
        }
    };
}

contract!(
    registering::a_registered_user_is_found,
    registering::ids_that_cannot_be_name_nobody,
    registering::of_twenty_who_want_an_address_one_gets_it,
    registering::a_key_sent_through_two_stores_registers_once,
    registering::a_key_wins_over_the_address_it_came_with,
    registering::what_was_kept_comes_back_byte_for_byte,
    registering::users_without_a_key_do_not_collide,
    outbox::a_claim_gives_each_event_once,
    outbox::an_event_tells_the_whole_user,
    outbox::an_old_token_marks_and_releases_nothing,
    outbox::a_lease_of_a_wrong_clock_is_taken,
    outbox::only_what_was_confirmed_goes,
    outbox::what_is_released_can_be_claimed_at_once,
    outbox::a_claim_keeps_to_its_limit,
    outbox::the_backlog_is_counted_and_timed,
    relaying::a_relay_drains_five_hundred_users,
    relaying::two_relays_on_two_stores_publish_everything,
    durability::a_reopened_store_has_everything,
    durability::a_request_cut_off_leaves_both_or_neither,
    durability::a_store_that_was_never_migrated_is_not_opened,
    durability::two_processes_migrate_at_once,
);

#[tokio::test]
async fn wrong_urls_are_told_from_servers_out_of_reach() {
    for url in
        ["", "users.db", "postgres://x", "sqlite::memory:", "sqlite:", "mongodb://", "mongodb://u:p@ss@h:x/y"]
    {
        let error = place::open(url, place::now()).await.err().expect("no store");
        assert!(!error.may_pass(), "{url}: {error}");
        assert!(!error.to_string().contains("p@ss"), "{error}");
    }
    let nobody = "mongodb://127.0.0.1:1/x?serverSelectionTimeoutMS=200";
    let error = place::open(nobody, place::now()).await.err().expect("nobody listens there");
    assert!(error.may_pass(), "{error}");
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
}
