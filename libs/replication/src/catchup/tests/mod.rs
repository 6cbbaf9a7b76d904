mod rules;
mod world;
mod worlds;
