mod acts;
mod entry;
mod exit;
mod replay;
mod staff;
