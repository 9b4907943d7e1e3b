//! Black-box tests: real processes, spoken to over HTTP, in every shape they run in.

mod bad_input;
mod command_line;
mod credentials;
mod dead_letters;
mod hammering;
mod moving;
mod newcomers;
mod oauth_library;
mod outages;
mod own_events;
mod poison;
mod process;
mod rates;
mod readme;
mod refresh_rotation;
mod reply;
mod restarts;
mod restoring;
mod story;
mod system;
mod tokens;
mod tracing;

/// Runs each of the functions named over both shapes: everything in one process, and
/// two services on three servers.
macro_rules! in_both_shapes {
    ($($function:path as $name:ident),+ $(,)?) => {
        mod all_in_one {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    $function(crate::system::Shape::all_in_one()).await;
                }
            )+
        }

        mod two_services {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if let Some(shape) = crate::system::Shape::two_services().await {
                        $function(shape).await;
                    }
                }
            )+
        }
    };
}

in_both_shapes! {
    crate::story::registration_becomes_an_account as registration_becomes_an_account,
    crate::story::credits_come_before_the_user as credits_come_before_the_user,
    crate::story::a_request_sent_again_changes_nothing as a_request_sent_again_changes_nothing,
    crate::story::welcome_credits_come_once as welcome_credits_come_once,
    crate::story::lists_come_page_by_page as lists_come_page_by_page,
    crate::story::the_demo_holds as the_demo_holds,
    crate::story::metrics_tell_what_happened as metrics_tell_what_happened,
    crate::own_events::nobody_need_listen as nobody_need_listen_to_accounts,
    crate::newcomers::an_account_is_waited_for as an_account_is_waited_for,
    crate::newcomers::unknown_users_are_verified as unknown_users_are_verified,
    crate::rates::units_are_priced_across_restarts as units_are_priced_across_restarts,
    crate::bad_input::is_told_what_is_wrong_and_changes_nothing as bad_input_changes_nothing,
    crate::poison::goes_to_the_dead_letters_and_holds_nothing_up as poison_holds_nothing_up,
    crate::dead_letters::an_operator_looks_sends_back_and_drops as dead_letters_are_looked_after,
    crate::restarts::kill_9_loses_nothing_acknowledged as kill_9_loses_nothing_acknowledged,
    crate::refresh_rotation::a_kill_locks_nobody_out as a_kill_in_a_refresh_locks_nobody_out,
    crate::restarts::a_signal_ends_it_gracefully as a_signal_ends_it_gracefully,
    crate::moving::credits_of_a_mistyped_id_are_brought_back as credits_of_a_mistyped_id_are_brought_back,
    crate::moving::a_batch_killed_half_way_goes_on as a_batch_killed_half_way_goes_on,
    crate::restoring::accounting_from_an_older_backup as accounting_from_an_older_backup,
    crate::restoring::auth_from_an_older_backup as auth_from_an_older_backup,
    crate::moving::a_kill_moves_whole_or_not_at_all as a_kill_moves_whole_or_not_at_all,
    crate::tracing::a_request_is_traced_to_its_commit as a_request_is_traced_to_its_commit,
    crate::tracing::what_nobody_samples_is_not_told as what_nobody_samples_is_not_told,
    crate::tracing::what_waits_is_sent_at_the_end as what_waits_is_sent_at_the_end,
    crate::tracing::a_collector_that_is_away_holds_nothing_up as a_collector_that_is_away_holds_nothing_up,
    crate::tracing::a_collector_that_hangs_holds_nothing_up as a_collector_that_hangs_holds_nothing_up,
}
