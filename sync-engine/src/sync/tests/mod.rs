mod flow;
mod life;
mod link;
mod order;
mod references;
mod speed;
mod trouble;
mod world;
