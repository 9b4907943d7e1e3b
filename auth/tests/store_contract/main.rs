//! What every store of users promises: the same checks over each adapter.

mod changing;
mod clients;
mod durability;
mod erasing;
mod finding;
mod leaving;
mod mailing;
mod outbox;
mod place;
mod registering;
mod relaying;
mod replaying;
mod resealing;
mod sessions;
mod signing_keys;
mod throttling;

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
    changing::a_change_and_its_event_are_written_together,
    changing::of_twenty_changes_of_one_version_one_is_done,
    changing::nobody_cannot_be_changed,
    changing::what_another_has_is_not_given,
    changing::a_new_password_forgets_what_only_the_old_one_could_tell,
    changing::a_hash_is_upgraded_only_in_the_place_of_the_one_it_was_made_for,
    changing::a_session_is_carried_on_over_one_epoch_and_no_more,
    replaying::a_replay_tells_of_the_user_as_they_are,
    replaying::what_waits_does_not_wait_twice,
    replaying::a_replay_can_move_a_version_on,
    replaying::versions_come_in_the_order_of_ids,
    erasing::of_an_erased_user_an_id_stays,
    erasing::events_that_wait_are_replaced_by_the_tombstone,
    erasing::a_tombstone_survives_a_relay_that_held_what_it_replaced,
    erasing::the_names_of_an_erased_user_are_free,
    finding::each_name_finds_its_user,
    finding::a_username_is_taken_once_and_may_be_missing,
    finding::a_user_without_a_password_has_none,
    finding::users_are_listed_newest_first_page_by_page,
    finding::a_list_holds_only_what_passes_its_filter,
    leaving::of_all_admins_who_leave_at_once_one_stays,
    leaving::the_last_admin_does_not_leave_in_any_way,
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
    mailing::a_mail_is_claimed_once_and_goes_when_sent,
    mailing::a_newer_mail_takes_the_place_of_an_older_one,
    mailing::an_old_token_marks_no_mail,
    mailing::what_is_put_off_waits_until_it_is_due,
    mailing::mail_and_events_wait_apart,
    mailing::a_ticket_admits_once,
    mailing::another_address_voids_mail_and_tickets,
    mailing::nothing_is_posted_to_a_user_who_changed,
    mailing::an_erased_user_has_no_mail,
    resealing::mail_that_waits_goes_out_after_its_key_has_gone,
    resealing::mail_that_does_not_open_stays_and_stops_nothing,
    resealing::only_the_very_mail_is_sealed_anew,
    throttling::of_fifty_tries_at_once_the_limit_is_admitted,
    throttling::a_window_ends_when_it_says,
    throttling::what_is_given_back_is_admitted_again,
    durability::a_reopened_store_has_everything,
    durability::a_request_cut_off_leaves_both_or_neither,
    durability::a_store_that_was_never_migrated_is_not_opened,
    durability::two_processes_migrate_at_once,
    sessions::a_session_is_found_as_it_was_written,
    sessions::of_parallel_rotations_one_is_done,
    sessions::used_tokens_are_remembered_to_a_limit,
    sessions::an_ended_session_is_not_rotated,
    sessions::sessions_are_listed_newest_first_by_epoch_and_time,
    clients::a_client_is_found_as_it_was_written,
    clients::secrets_are_replaced_only_as_they_were_read,
    signing_keys::of_processes_that_start_at_once_one_makes_a_key,
    signing_keys::a_key_is_published_before_it_signs_and_after,
    signing_keys::a_ring_that_was_asleep_does_not_sign_with_an_old_key,
    signing_keys::a_rotation_by_hand_waits_like_any_other,
    signing_keys::another_algorithm_comes_with_the_next_key,
    signing_keys::private_keys_are_sealed_and_can_be_sealed_anew,
    signing_keys::keys_that_belong_elsewhere_add_none_unless_told,
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
