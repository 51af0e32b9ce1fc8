//! The conformance suite: one case for each sentence of what a transport of the link has to keep.
//!
//! `link_suite!(pair)` makes a `#[tokio::test]` of each case; `pair()` is an async function that gives a new
//! [`Link`]: both ends of a connection, and whatever must live as long.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "cases say in their names what they check, and fail by panicking"
)]

use std::any::Any;

use crate::connection::Connection;

pub mod answers;
pub mod faults;
pub mod groups;
pub mod help;
pub mod lifetimes;
pub mod rogues;

/// Both ends of a new connection.
pub struct Link {
    pub agent: Connection,
    pub service: Connection,
    /// Dropped after the case.
    pub keep: Box<dyn Any + Send>,
}

impl Link {
    pub fn new(agent: Connection, service: Connection) -> Self {
        Self { agent, service, keep: Box::new(()) }
    }

    pub fn keeping(mut self, keep: impl Any + Send) -> Self {
        self.keep = Box::new(keep);
        self
    }
}

/// Makes a test of each case of the suite for the connections that `$pair` makes.
#[macro_export]
#[doc(hidden)]
macro_rules! link_suite {
    ($pair:expr) => {
        $crate::link_suite! { $pair;
            answers: [
                each_request_gets_its_own_answer,
                ten_megabytes_go_both_ways,
                headers_and_status_come_as_they_were,
                an_empty_answer_is_an_answer,
                a_slow_reader_stops_its_own_answer_only,
                crumbs_are_counted,
                an_answer_that_breaks_off_is_no_answer,
                a_handler_that_panics_refuses_its_request_only,
                a_request_that_is_too_large_is_not_sent,
                an_answer_above_the_limit_of_its_reader_is_too_large,
                the_deadline_is_kept_and_the_agent_stops,
                a_gap_in_an_answer_is_bounded,
                the_whole_answer_may_be_bounded,
                a_dropped_request_stops_at_the_agent,
                a_dropped_answer_stops_at_the_agent,
            ]
            groups: [
                agents_of_a_group_take_turns,
                the_one_with_room_gets_the_next_request,
                who_finds_all_busy_waits_and_no_more_than_allowed,
                tenants_and_groups_are_apart,
                an_agent_changes_its_groups_at_once,
                without_an_agent_there_is_no_answer,
                the_backplane_is_asked_when_nobody_is_here,
            ]
            lifetimes: [
                a_draining_agent_answers_what_it_has,
                a_stopping_service_lets_requests_finish,
                a_stopping_service_does_not_wait_for_ever,
                an_agent_that_dies_loses_its_answer_and_another_takes_the_next,
                a_link_ends_with_its_credential,
                a_renewed_credential_keeps_the_link,
                a_credential_that_is_not_accepted_ends_the_link,
                a_revoked_agent_is_out_at_once,
                a_newer_connection_replaces_the_older,
                a_connection_beside_the_older_loses_no_request,
                a_revoked_agent_loses_its_older_connection_too,
                silence_ends_the_link_on_both_sides,
                pings_keep_a_quiet_link,
            ]
            faults: [
                doubled_messages_are_taken_once,
                reordered_messages_are_put_in_order,
                a_lost_message_is_never_a_wrong_answer,
                a_lost_last_message_is_noticed,
            ]
            rogues: [
                an_agent_that_answers_what_it_was_not_asked,
                an_agent_that_talks_too_much,
                an_agent_that_answers_for_another,
                an_agent_that_answers_twice,
                an_agent_that_goes_on_after_its_end,
                an_agent_that_sends_a_body_without_an_answer,
                an_agent_that_sends_more_than_was_granted,
                an_agent_that_sends_nothing_over_and_over,
                an_agent_that_speaks_like_a_service,
                an_agent_that_does_not_greet,
                an_agent_that_greets_with_something_else,
                malformed_frames,
                frames_that_are_too_large,
                frames_of_a_newer_version,
                a_service_that_asks_too_much,
                a_service_that_repeats_a_request,
                a_service_that_sends_more_than_it_said,
            ]
        }
    };
    ($pair:expr; $($module:ident: [$($case:ident,)*])*) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let pair = $pair;
                $crate::suite::$module::$case(&|| Box::pin(pair())).await;
            })*
        })*
    };
}
