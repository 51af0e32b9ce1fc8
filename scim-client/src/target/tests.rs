mod answers;
mod files;
mod filters;
mod shapes;

use super::TargetProfile;

fn named(name: &str) -> TargetProfile {
    TargetProfile::named(name).unwrap()
}
