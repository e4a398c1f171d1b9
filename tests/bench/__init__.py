"""`make bench`: how close the function comes to what physics and Falcon's limit allow. Ratios, each from one run."""
