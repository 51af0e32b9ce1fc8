//! Membership of groups: from the members that there are to those that there should be, within the limits of the target.
//!
//! [`plan`] is a pure function. [`Membership`] reads what there is, carries a plan out and says what became of each
//! member.

mod execute;
mod id;
mod plan;
mod read;

pub use execute::{Membership, MembershipReport};
pub use id::MemberId;
pub use plan::{Current, MemberLimits, MembershipPlan, MembershipRequest, plan};
