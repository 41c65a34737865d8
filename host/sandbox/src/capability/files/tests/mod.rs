mod escapes;
mod operations;
