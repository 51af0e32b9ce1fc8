mod flow;
mod life;
mod link;
mod order;
mod references;
mod world;
