//! Finding out who is a member.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use scim_core::{AttrPath, Filter, Literal, Resource, Value};

use super::{Current, MemberId, Membership};
use crate::error::Error;
use crate::target::check_matches;
use crate::target::fields::{EmptyMeans, Parameter, Returned, Reverse};

impl Membership {
    /// Who is a member, as far as the target tells.
    ///
    /// An empty list of members is an empty group only where the profile says that members are always shown. Where they
    /// never are, the users are asked for the group (`groups.value eq`); members that are no users are not found that way.
    ///
    /// # Errors
    /// As any request; [`Error::Target`] when the target answers with users that are not in the group.
    pub async fn current(&self) -> Result<Current, Error> {
        let rules = &self.client.target().rules("Groups").members;
        if rules.returned != Returned::Never {
            let group = self.client.resources("Groups").get(&self.group).await?;
            let members = shown_members(&group);
            if !members.is_empty() || rules.returned == Returned::Always {
                return Ok(Current::Known(members));
            }
        }
        if !rules.reverse.contains(&Reverse::UsersOfGroup) {
            return Ok(Current::unknown());
        }
        let filter = equal("groups.value", &self.group)?;
        let users = self.ids_of("Users", &filter).await?;
        let silent = self.client.target().rules("Users").filter.empty_means == EmptyMeans::Unknown;
        match rules.nested || (users.is_empty() && silent) {
            true => Ok(Current::AtLeast(users)),
            false => Ok(Current::Known(users)),
        }
    }

    /// Whether this is a member, asked of the one member; `None` where the target has no such question.
    ///
    /// # Errors
    /// As any request.
    pub async fn contains(&self, member: &str) -> Result<Option<bool>, Error> {
        let reverse = &self.client.target().rules("Groups").members.reverse;
        let of_member = equal("members.value", member)?;
        let filter = if reverse.contains(&Reverse::GroupWithMember) {
            equal("id", &self.group)?.and(of_member)
        } else if reverse.contains(&Reverse::GroupsOfMember) {
            of_member
        } else {
            return Ok(None);
        };
        let groups = self.ids_of("Groups", &filter).await?;
        Ok(Some(groups.contains(self.group.as_str())))
    }

    /// The ids that a filter finds.
    async fn ids_of(&self, endpoint: &str, filter: &Filter) -> Result<BTreeSet<MemberId>, Error> {
        let target = self.client.target();
        let mut list = self.client.resources(endpoint).list().filter(filter.clone());
        if target.admits_parameter(Parameter::Attributes).is_ok() {
            list = list.attributes(["id"]);
        }
        let mut stream = list.stream();
        let mut ids = BTreeSet::new();
        while let Some(row) = stream.try_next().await? {
            check_matches(filter, std::slice::from_ref(&row))
                .map_err(|ignored| target.unsupported(ignored.to_string()))?;
            ids.extend(row.id().map(MemberId::from));
        }
        Ok(ids)
    }
}

/// The members that a group shows.
fn shown_members(group: &Resource) -> BTreeSet<MemberId> {
    let members = group.get("members").map(Value::values).unwrap_or_default().iter();
    members.filter_map(|member| member.as_object()?.get_str("value")).map(MemberId::from).collect()
}

fn equal(path: &str, value: &str) -> Result<Filter, Error> {
    let path: AttrPath = path.parse().map_err(|e| Error::Request(format!("{path}: {e}")))?;
    Ok(scim_core::filter::AttrTerm::from(path).eq(Literal::from(value)))
}
