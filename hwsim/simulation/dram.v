// The deterministic DRAM: two read ports and one write port, each with the whole bandwidth to itself.
//
// What happens in a cycle follows from the cycles of what the same port did before, and from nothing else:
//
//   read    The first beat of a burst whose address is taken in cycle a is presented in the first cycle that is not
//           before a + latency, nor before the cycle in which the last beat was taken + interval. The beats behind it
//           follow at the interval. A beat waits for RREADY.
//   write   Addresses come first. A beat can be taken from the cycle after its address on, `interval` cycles after the
//           beat before. The response is presented `latency` cycles after the last beat of its burst was taken.
//   queue   An address is taken at once, unless QUEUE bursts are open on the port.
//
// A beat of a burst beyond the memory answers DECERR; every beat of a burst that this system never makes (not INCR, not
// full width, not aligned to beats, over a 4 KiB boundary) answers SLVERR. Neither is written.
//
// Plusargs (numbers are decimal, words are of DATA_BYTES bytes):
//   +dram_latency=N +dram_interval=N     in cycles, at least 1
//   +dram_load=FILE +dram_load_last=N    $readmemh at time 0, into words 0..N; the rest is zero
//   +dram_dump=FILE +dram_dump_first=N +dram_dump_last=N
//                                        $writememh of these words whenever `dump` rises
//
// In each block blocking assignments keep the state that nobody else sees, nonblocking ones drive what others sample.

`timescale 1ns/1ns

module dram #(
    parameter DATA_BYTES = 16,
    parameter WORDS = 1 << 20,
    parameter QUEUE = 64
) (
    input                         clk,
    input                         rst,
    input                         dump,

    input                         m_axi_fetch_arid,
    input                  [31:0] m_axi_fetch_araddr,
    input                   [7:0] m_axi_fetch_arlen,
    input                   [2:0] m_axi_fetch_arsize,
    input                   [1:0] m_axi_fetch_arburst,
    input                         m_axi_fetch_arlock,
    input                   [3:0] m_axi_fetch_arcache,
    input                   [2:0] m_axi_fetch_arprot,
    input                   [3:0] m_axi_fetch_arqos,
    input                         m_axi_fetch_arvalid,
    output                        m_axi_fetch_arready,
    output                        m_axi_fetch_rid,
    output     [8*DATA_BYTES-1:0] m_axi_fetch_rdata,
    output                  [1:0] m_axi_fetch_rresp,
    output                        m_axi_fetch_rlast,
    output                        m_axi_fetch_rvalid,
    input                         m_axi_fetch_rready,

    input                         m_axi_data_arid,
    input                  [31:0] m_axi_data_araddr,
    input                   [7:0] m_axi_data_arlen,
    input                   [2:0] m_axi_data_arsize,
    input                   [1:0] m_axi_data_arburst,
    input                         m_axi_data_arlock,
    input                   [3:0] m_axi_data_arcache,
    input                   [2:0] m_axi_data_arprot,
    input                   [3:0] m_axi_data_arqos,
    input                         m_axi_data_arvalid,
    output                        m_axi_data_arready,
    output                        m_axi_data_rid,
    output     [8*DATA_BYTES-1:0] m_axi_data_rdata,
    output                  [1:0] m_axi_data_rresp,
    output                        m_axi_data_rlast,
    output                        m_axi_data_rvalid,
    input                         m_axi_data_rready,

    input                         m_axi_data_awid,
    input                  [31:0] m_axi_data_awaddr,
    input                   [7:0] m_axi_data_awlen,
    input                   [2:0] m_axi_data_awsize,
    input                   [1:0] m_axi_data_awburst,
    input                         m_axi_data_awlock,
    input                   [3:0] m_axi_data_awcache,
    input                   [2:0] m_axi_data_awprot,
    input                   [3:0] m_axi_data_awqos,
    input                         m_axi_data_awvalid,
    output                        m_axi_data_awready,
    input      [8*DATA_BYTES-1:0] m_axi_data_wdata,
    input        [DATA_BYTES-1:0] m_axi_data_wstrb,
    input                         m_axi_data_wlast,
    input                         m_axi_data_wvalid,
    output                        m_axi_data_wready,
    output                        m_axi_data_bid,
    output                  [1:0] m_axi_data_bresp,
    output                        m_axi_data_bvalid,
    input                         m_axi_data_bready
);

  reg [8*DATA_BYTES-1:0] mem [0:WORDS-1];

  integer latency;
  integer interval;
  integer load_last;
  integer dump_first;
  integer dump_last;
  integer word;
  reg [8*1024-1:0] file;

  initial begin
    if (!$value$plusargs("dram_latency=%d", latency)) latency = 40;
    if (!$value$plusargs("dram_interval=%d", interval)) interval = 1;
    for (word = 0; word < WORDS; word = word + 1) mem[word] = 0;
    if ($value$plusargs("dram_load=%s", file)) begin
      if (!$value$plusargs("dram_load_last=%d", load_last)) load_last = WORDS - 1;
      $readmemh(file, mem, 0, load_last);
    end
  end

  always @(posedge dump)
    if ($value$plusargs("dram_dump=%s", file)) begin
      if (!$value$plusargs("dram_dump_first=%d", dump_first)) dump_first = 0;
      if (!$value$plusargs("dram_dump_last=%d", dump_last)) dump_last = WORDS - 1;
      $writememh(file, mem, dump_first, dump_last);
    end

  wire [31:0] fetch_word;
  wire [31:0] read_word;
  wire [31:0] write_word;
  wire        write_en;

  assign m_axi_fetch_rid = m_axi_fetch_arid & 1'b0;
  assign m_axi_data_rid = m_axi_data_arid & 1'b0;
  assign m_axi_data_bid = m_axi_data_awid & 1'b0;
  assign m_axi_fetch_rdata = m_axi_fetch_rresp == 0 ? mem[fetch_word] : 0;
  assign m_axi_data_rdata = m_axi_data_rresp == 0 ? mem[read_word] : 0;

  wire [8*DATA_BYTES-1:0] mask;
  genvar lane;
  generate
    for (lane = 0; lane < DATA_BYTES; lane = lane + 1) begin : lanes
      assign mask[8*lane +: 8] = {8{m_axi_data_wstrb[lane]}};
    end
  endgenerate

  always @(posedge clk)
    if (write_en) mem[write_word] <= (mem[write_word] & ~mask) | (m_axi_data_wdata & mask);

  dram_read #(.DATA_BYTES(DATA_BYTES), .WORDS(WORDS), .QUEUE(QUEUE)) fetch (
      .clk(clk), .rst(rst), .latency(latency), .interval(interval), .word(fetch_word),
      .araddr(m_axi_fetch_araddr), .arlen(m_axi_fetch_arlen), .arsize(m_axi_fetch_arsize),
      .arburst(m_axi_fetch_arburst), .arvalid(m_axi_fetch_arvalid), .arready(m_axi_fetch_arready),
      .rresp(m_axi_fetch_rresp), .rlast(m_axi_fetch_rlast), .rvalid(m_axi_fetch_rvalid), .rready(m_axi_fetch_rready)
  );

  dram_read #(.DATA_BYTES(DATA_BYTES), .WORDS(WORDS), .QUEUE(QUEUE)) read (
      .clk(clk), .rst(rst), .latency(latency), .interval(interval), .word(read_word),
      .araddr(m_axi_data_araddr), .arlen(m_axi_data_arlen), .arsize(m_axi_data_arsize),
      .arburst(m_axi_data_arburst), .arvalid(m_axi_data_arvalid), .arready(m_axi_data_arready),
      .rresp(m_axi_data_rresp), .rlast(m_axi_data_rlast), .rvalid(m_axi_data_rvalid), .rready(m_axi_data_rready)
  );

  dram_write #(.DATA_BYTES(DATA_BYTES), .WORDS(WORDS), .QUEUE(QUEUE)) write (
      .clk(clk), .rst(rst), .latency(latency), .interval(interval), .word(write_word), .en(write_en),
      .awaddr(m_axi_data_awaddr), .awlen(m_axi_data_awlen), .awsize(m_axi_data_awsize),
      .awburst(m_axi_data_awburst), .awvalid(m_axi_data_awvalid), .awready(m_axi_data_awready),
      .wlast(m_axi_data_wlast), .wvalid(m_axi_data_wvalid), .wready(m_axi_data_wready),
      .bresp(m_axi_data_bresp), .bvalid(m_axi_data_bvalid), .bready(m_axi_data_bready)
  );

endmodule

// Whether a burst is one that this system never makes.
module dram_burst #(
    parameter DATA_BYTES = 16
) (
    input  [31:0] addr,
    input   [7:0] len,
    input   [2:0] size,
    input   [1:0] burst,
    output        wrong
);

  wire [31:0] last = addr + (len + 1) * DATA_BYTES - 1;
  assign wrong = burst != 1 || size != $clog2(DATA_BYTES) || addr % DATA_BYTES != 0 || addr[31:12] != last[31:12];

endmodule

// The timing of a read port. `word` is the one whose beat is presented.
module dram_read #(
    parameter DATA_BYTES = 16,
    parameter WORDS = 1 << 20,
    parameter QUEUE = 64
) (
    input             clk,
    input             rst,
    input      [31:0] latency,
    input      [31:0] interval,
    input      [31:0] araddr,
    input       [7:0] arlen,
    input       [2:0] arsize,
    input       [1:0] arburst,
    input             arvalid,
    output reg        arready,
    output reg [31:0] word,
    output reg  [1:0] rresp,
    output reg        rlast,
    output reg        rvalid,
    input             rready
);

  wire wrong;
  dram_burst #(.DATA_BYTES(DATA_BYTES)) check (
      .addr(araddr), .len(arlen), .size(arsize), .burst(arburst), .wrong(wrong)
  );

  reg [63:0] now;
  reg [63:0] due [0:QUEUE-1];
  reg [31:0] first [0:QUEUE-1];
  reg  [7:0] len [0:QUEUE-1];
  reg        bad [0:QUEUE-1];
  integer    head;
  integer    tail;
  integer    count;
  reg        showing;
  reg  [7:0] beat;
  reg [63:0] next_beat;
  reg [31:0] next_word;

  always @(posedge clk)
    if (rst) begin
      now = 0;
      head = 0;
      tail = 0;
      count = 0;
      showing = 0;
      beat = 0;
      next_beat = 0;
      arready <= 1;
      rvalid <= 0;
      rlast <= 0;
      rresp <= 0;
      word <= 0;
    end else begin
      if (arvalid && arready) begin
        due[tail] = now + latency;
        first[tail] = araddr / DATA_BYTES;
        len[tail] = arlen;
        bad[tail] = wrong;
        tail = tail == QUEUE - 1 ? 0 : tail + 1;
        count = count + 1;
      end
      if (rvalid && rready) begin
        showing = 0;
        next_beat = now + interval;
        if (rlast) begin
          beat = 0;
          head = head == QUEUE - 1 ? 0 : head + 1;
          count = count - 1;
        end else beat = beat + 1;
      end
      now = now + 1;
      if (!showing && count != 0 && now >= due[head] && now >= next_beat) begin
        showing = 1;
        next_word = first[head] + {24'd0, beat};
        word <= next_word;
        rlast <= beat == len[head];
        rresp <= bad[head] ? 2 : next_word >= WORDS ? 3 : 0;
      end
      rvalid <= showing;
      arready <= count != QUEUE;
    end

endmodule

// The timing of a write port. With `en` the beat on the bus goes to `word` at the end of the cycle.
module dram_write #(
    parameter DATA_BYTES = 16,
    parameter WORDS = 1 << 20,
    parameter QUEUE = 64
) (
    input             clk,
    input             rst,
    input      [31:0] latency,
    input      [31:0] interval,
    input      [31:0] awaddr,
    input       [7:0] awlen,
    input       [2:0] awsize,
    input       [1:0] awburst,
    input             awvalid,
    output reg        awready,
    input             wlast,
    input             wvalid,
    output reg        wready,
    output reg [31:0] word,
    output            en,
    output reg  [1:0] bresp,
    output reg        bvalid,
    input             bready
);

  wire wrong;
  dram_burst #(.DATA_BYTES(DATA_BYTES)) check (
      .addr(awaddr), .len(awlen), .size(awsize), .burst(awburst), .wrong(wrong)
  );

  // Bursts [head, written) await their response, [written, tail) their beats.
  reg [63:0] now;
  reg [31:0] first [0:QUEUE-1];
  reg  [7:0] len [0:QUEUE-1];
  reg  [1:0] response [0:QUEUE-1];
  reg [63:0] due [0:QUEUE-1];
  integer    head;
  integer    written;
  integer    tail;
  integer    count;
  integer    unwritten;
  reg        showing;
  reg  [7:0] beat;
  reg [63:0] next_beat;
  reg  [1:0] answer;
  reg        refused;

  assign en = wvalid && wready && !refused;

  always @(posedge clk)
    if (rst) begin
      now = 0;
      head = 0;
      written = 0;
      tail = 0;
      count = 0;
      unwritten = 0;
      showing = 0;
      beat = 0;
      next_beat = 0;
      answer = 0;
      awready <= 1;
      wready <= 0;
      word <= 0;
      refused <= 0;
      bvalid <= 0;
      bresp <= 0;
    end else begin
      if (wvalid && wready) begin
        next_beat = now + interval;
        answer = response[written];
        if (answer == 0 && word >= WORDS) answer = 3;
        if (wlast != (beat == len[written])) answer = 2;
        response[written] = answer;
        beat = beat + 1;
        if (wlast) begin
          due[written] = now + latency;
          beat = 0;
          written = written == QUEUE - 1 ? 0 : written + 1;
          unwritten = unwritten - 1;
        end
      end
      if (awvalid && awready) begin
        first[tail] = awaddr / DATA_BYTES;
        len[tail] = awlen;
        response[tail] = wrong ? 2 : 0;
        tail = tail == QUEUE - 1 ? 0 : tail + 1;
        count = count + 1;
        unwritten = unwritten + 1;
      end
      if (bvalid && bready) begin
        showing = 0;
        head = head == QUEUE - 1 ? 0 : head + 1;
        count = count - 1;
      end
      now = now + 1;
      if (!showing && count != unwritten && now >= due[head]) begin
        showing = 1;
        bresp <= response[head];
      end
      bvalid <= showing;
      awready <= count != QUEUE;
      wready <= unwritten != 0 && now >= next_beat;
      word <= first[written] + {24'd0, beat};
      refused <= unwritten != 0 && (response[written] == 2 || first[written] + {24'd0, beat} >= WORDS);
    end

endmodule
