//! The engine from its outside: plans as text, guards, cycles against simulated systems that fail in every way.

mod converge;
mod crashing;
mod cycle;
mod expr;
mod guard;
mod plan;
mod simulated;
mod undo;
mod world;
