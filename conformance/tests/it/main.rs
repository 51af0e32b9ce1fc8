//! The suite against a real server on a real socket, and against servers that are broken on purpose.

mod binary;
mod broken;
mod framework;
mod ours;
mod reports;
mod site;
