"""What interrupts a run: processes that can be killed, disks that are full, and what is left afterwards."""
