//! The behaviour suite: one case for each sentence of the store contract, for every implementation.
//!
//! `store_suite!(open)` makes a `#[test]` of each case; `open` is called for an empty store and answers it together with
//! whatever must live as long, such as a temporary folder.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "cases say in their names what they check, and fail by panicking"
)]

pub mod admin;
pub mod help;
pub mod members;
pub mod order;
pub mod queries;
pub mod writes;

use std::future::Future;

use super::{AdminStore, ResourceStore};

/// Both sides of a store.
pub trait Store: ResourceStore + AdminStore {}

impl<S: ResourceStore + AdminStore> Store for S {}

/// Runs one case.
pub fn block_on<F: Future<Output = ()>>(case: F) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(case);
}

/// Makes a test of each case of the suite for the stores that `$open` opens.
#[macro_export]
#[doc(hidden)]
macro_rules! store_suite {
    ($open:expr) => {
        $crate::store_suite! { $open;
            writes: [
                get_finds_by_tenant_type_and_id,
                a_creation_is_the_first_version,
                the_body_is_compact_json_as_it_was_given,
                an_id_is_given_once_in_a_tenant,
                unique_values_differ_by_fold_within_tenant_and_type,
                unique_values_are_free_again,
                an_update_moves_version_and_time,
                preconditions_are_checked,
                what_changes_nothing_leaves_everything_alone,
                a_password_alone_is_a_change,
                a_batch_is_applied_whole_or_not_at_all,
                a_batch_is_applied_in_order,
                times_never_go_backwards,
                changes_have_no_gaps_and_say_what_happened,
                a_deletion_answers_what_was_there,
                unknown_types_and_tenants_are_refused,
                writers_at_the_same_time_do_not_lose_writes,
            ]
            members: [
                members_come_and_go,
                operations_apply_in_order_and_count_what_they_come_to,
                members_that_do_not_exist_are_named,
                members_of_types_that_the_schema_forbids_are_unknown,
                members_of_another_tenant_do_not_exist,
                members_are_read_in_pages_by_id,
                a_filter_takes_members_out,
                edits_inside_of_members_are_checked,
                a_group_may_not_contain_itself,
                cycles_are_possible_when_allowed,
                groups_are_direct_and_indirect,
                a_deleted_member_leaves_its_groups,
                a_deleted_group_lets_its_members_go,
                a_created_group_has_its_members,
                a_large_group_comes_with_the_ids_of_its_other_members,
                ids_become_members_again,
            ]
            queries: [
                resources_come_in_the_order_of_their_ids,
                pages_follow_each_other,
                skipping_is_counting_from_the_start,
                totals_do_not_depend_on_the_page,
                indexed_attributes_are_found,
                other_attributes_are_found_too,
                terms_are_combined,
                times_are_compared_to_the_millisecond,
                memberships_are_found,
                several_types_make_one_list,
                tenants_do_not_see_each_other,
                what_is_asked_for_comes_along,
                a_page_ends_within_its_budget,
            ]
            order: [
                texts_sort_by_their_keys,
                what_has_no_value_is_last_and_in_descending_order_first,
                times_sort,
                ids_sort,
                several_types_sort_into_one_list,
                sorted_pages_follow_each_other_and_equal_skipping,
                filtered_lists_sort,
            ]
            admin: [
                tenants_are_made_listed_and_deleted,
                a_deleted_tenant_takes_everything_along,
                the_audit_tells_who_changed_what,
                the_audit_is_a_chain,
                a_sound_store_has_no_findings,
                a_secret_stays_what_it_was_first,
                a_healthy_store_says_so,
            ]
        }
    };
    ($open:expr; $($group:ident: [$($case:ident,)*])*) => {
        $(mod $group {
            $(#[test]
            fn $case() {
                let (store, _alive) = $open();
                $crate::store::suite::block_on($crate::store::suite::$group::$case(&store));
            })*
        })*
    };
}
