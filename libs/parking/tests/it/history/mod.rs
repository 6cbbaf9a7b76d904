mod cases;
mod clocks;
mod compare;
mod properties;
