mod acts;
mod discounts;
mod entry;
mod exit;
mod lanes;
mod replay;
mod rights;
mod staff;
