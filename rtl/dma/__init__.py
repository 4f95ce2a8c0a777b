"""DMA: the engines that move data and instructions between DRAM and the chip, and their exact timing."""
