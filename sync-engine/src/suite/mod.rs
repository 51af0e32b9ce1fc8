//! The behaviour suite: one case for each sentence of the store contract, for every implementation.
//!
//! `store_suite!(open)` makes a `#[test]` of each case, `store_suite!(@one name open)` a single one of all of them, for stores
//! that are started for a test; `open` is called for an empty store and answers it together with
//! whatever must live as long, such as a temporary folder.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "cases say in their names what they check, and fail by panicking"
)]

pub mod edges;
pub mod help;
pub mod identities;
pub mod objects;
pub mod records;
pub mod transactions;

/// Makes tests of the cases of the suite for the stores that `$open` opens.
#[macro_export]
#[doc(hidden)]
macro_rules! store_suite {
    (@one $name:ident $open:expr) => {
        $crate::store_suite! { @cases (@together $name $open) }
    };
    (@cases ($($for:tt)*)) => {
        $crate::store_suite! { $($for)*;
            transactions: [
                changes_outside_of_a_transaction_are_misuse,
                transactions_do_not_nest_and_end_once,
                reads_see_what_the_transaction_wrote,
                a_rollback_takes_everything_back,
                row_numbers_are_given_once_and_again_after_a_rollback,
                a_refused_call_changes_nothing_and_the_transaction_goes_on,
            ]
            objects: [
                an_object_comes_back_as_it_was_put,
                an_outline_is_that_of_its_object,
                an_object_is_found_by_anchor_within_its_space,
                an_object_is_found_by_the_folded_name_that_it_holds,
                anchors_names_and_links_are_unique_in_a_space,
                what_an_object_gives_up_is_free_again,
                a_transient_leaves_its_name_to_another,
                an_object_stays_in_its_space,
                what_is_not_there_cannot_be_put_and_need_not_be_removed,
                a_link_asks_for_its_identity,
                lists_are_by_row_and_in_pages,
                lists_follow_what_objects_become,
                spaces_do_not_see_each_other,
                seen_is_by_read,
                unseen_leaves_out_placeholders_and_what_has_no_anchor,
                objects_are_found_by_key_and_type,
                keys_are_replaced_and_go_with_their_object,
                only_staged_objects_are_found_by_key,
            ]
            edges: [
                an_edge_is_there_once,
                names_of_attributes_are_compared_without_case,
                an_edge_needs_both_ends,
                edges_are_in_pages_by_row,
                edges_are_counted_by_attribute,
                referrers_are_in_pages_by_row_and_name,
                edges_go_with_either_end,
                an_object_may_refer_to_itself,
                edges_come_to_another_space_through_identities,
                edges_in_another_space_are_each_once_and_in_pages,
                edges_in_another_space_follow_every_change,
            ]
            identities: [
                an_identity_comes_back_as_it_was_put,
                an_identity_that_is_not_there_cannot_be_put_or_marked,
                a_linked_identity_stays,
                links_are_by_connector,
                identities_are_in_pages,
                identities_are_found_by_key_and_type,
                dirty_is_a_set_in_order,
                a_removed_identity_leaves_nothing,
            ]
            records: [
                a_connector_that_is_not_known_has_an_empty_state,
                a_connector_state_comes_back,
                an_escrow_comes_and_goes,
                escrows_are_listed_when_due,
                an_escrow_goes_with_its_object,
                runs_are_newest_first_and_forgotten_by_their_end,
                facts_are_kept_and_forgotten,
            ]
        }
    };
    (@together $name:ident $open:expr; $($group:ident: [$($case:ident,)*])*) => {
        #[test]
        fn $name() {
            $($({
                eprintln!("{}", stringify!($case));
                let (mut store, _alive) = $open();
                $crate::suite::$group::$case(&mut store);
            })*)*
        }
    };
    (@each $open:expr; $($group:ident: [$($case:ident,)*])*) => {
        $(mod $group {
            $(#[test]
            fn $case() {
                let (mut store, _alive) = $open();
                $crate::suite::$group::$case(&mut store);
            })*
        })*
    };
    ($open:expr) => {
        $crate::store_suite! { @cases (@each $open) }
    };
}
