mod defaults;
mod graph;
mod load;
mod scope;
