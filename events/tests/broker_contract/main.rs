//! The contract of brokers: the same functions over every adapter, on real servers.

mod dead_letters;
mod embedded;
mod harness;
mod load;
mod publishing;
mod rabbitmq;
mod redriving;
mod retrying;
mod settling;
mod tls;

/// Makes a test of each function for each adapter.
macro_rules! contract {
    ($($group:ident: $($promise:ident),+;)+) => {
        mod on_embedded {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let bench = crate::harness::Bench::embedded();
                crate::$group::$promise(&bench).await;
                bench.finish().await;
            })+)+
        }
        mod on_rabbitmq {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let Some(bench) = crate::harness::Bench::rabbitmq().await else { return };
                crate::$group::$promise(&bench).await;
                bench.finish().await;
            })+)+
        }
    };
}

contract! {
    publishing: what_is_published_arrives_whole, unroutable_is_unconfirmed_and_harms_nothing_else,
        one_id_published_twice_is_delivered_twice, a_publisher_outlives_its_subscriber,
        a_routing_key_beyond_what_amqp_can_carry_is_unconfirmed, an_empty_window_is_no_work,
        what_happens_to_accounts_needs_no_listener_and_disturbs_no_queue;
    settling: acked_is_gone, unsettled_comes_again, settled_in_any_order_only_the_rest_comes_again,
        rejected_is_dead_and_what_is_around_it_is_not, settling_twice_or_the_unknown_does_nothing,
        competing_subscribers_share_the_messages, prefetch_bounds_what_is_unsettled,
        a_dropped_wait_loses_no_delivery;
    retrying: a_retry_comes_back_after_its_delay, after_the_last_attempt_it_is_dead,
        what_is_delivered_too_often_is_dead;
    dead_letters: looking_takes_nothing_away, redriven_is_delivered_once_more_as_new,
        redriven_can_die_again, dropped_is_gone_for_good, what_is_not_there_is_not_found;
    redriving: a_selection_of_two_thousand_goes_in_one_walk, a_limit_leaves_the_rest_and_counts_it,
        ids_are_met_once_and_missing_ones_are_told, a_redrive_cut_off_half_way_loses_none,
        what_dies_again_meanwhile_is_not_sent_again, a_survey_counts_all_and_tells_the_oldest,
        one_is_found_with_its_story;
    load: five_thousand_pass_without_loss, a_wide_window_of_large_bodies_passes;
}
