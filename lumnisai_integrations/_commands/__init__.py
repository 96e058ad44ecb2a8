"""What the commands of ``lumnis`` do, one file each."""
